--
-- Written questions for those whose browser runs no script.
--

set search_path = portal, pg_temp;


create or replace function captcha_sums() returns jsonb
    language sql immutable
begin atomic
    select jsonb_agg(jsonb_build_object(
               'q', 'Combien font ' || w.words[a] || ' plus ' || w.words[b] || ' ?',
               'a', jsonb_build_array((a + b)::text, w.words[a + b])
                    || case when w.words[a + b] like '%-%'
                            then jsonb_build_array(replace(w.words[a + b], '-', ' '))
                            else '[]'::jsonb end)
               order by a, b)
      from (select array['un', 'deux', 'trois', 'quatre', 'cinq', 'six', 'sept', 'huit',
                         'neuf', 'dix', 'onze', 'douze', 'treize', 'quatorze', 'quinze',
                         'seize', 'dix-sept', 'dix-huit'] as words) w
     cross join generate_series(2, 9) a
     cross join generate_series(2, 9) b;
end;

comment on function captcha_sums() is
    'Sums in words, with their answers in digits and in words: 64 of them, for town.captcha_questions.';
