--
-- Written questions for those whose browser runs no script.
--

set search_path = portal, pg_temp;


create or replace function captcha_sums() returns jsonb
    language sql immutable
begin atomic
    select jsonb_agg(jsonb_build_object(
               'q', jsonb_build_object(
                   'fr', 'Combien font ' || w.fr[a] || ' plus ' || w.fr[b] || ' ?',
                   'en', 'What is ' || w.en[a] || ' plus ' || w.en[b] || '?'),
               'a', jsonb_build_array((a + b)::text, w.fr[a + b])
                    || case when w.fr[a + b] like '%-%'
                            then jsonb_build_array(replace(w.fr[a + b], '-', ' '))
                            else '[]'::jsonb end
                    || jsonb_build_array(w.en[a + b]))
               order by a, b)
      from (select array['un', 'deux', 'trois', 'quatre', 'cinq', 'six', 'sept', 'huit',
                         'neuf', 'dix', 'onze', 'douze', 'treize', 'quatorze', 'quinze',
                         'seize', 'dix-sept', 'dix-huit'] as fr,
                   array['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight',
                         'nine', 'ten', 'eleven', 'twelve', 'thirteen', 'fourteen',
                         'fifteen', 'sixteen', 'seventeen', 'eighteen'] as en) w
     cross join generate_series(2, 9) a
     cross join generate_series(2, 9) b;
end;

comment on function captcha_sums() is
    'Sums in words of each language, with their answers in digits and in words, whatever the language of the question: 64 of them, for town.captcha_questions.';
