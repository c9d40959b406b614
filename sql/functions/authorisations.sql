--
-- What guardians allow, as a section of the file.  An answer is of a day, holds
-- for a school year and was given by a text, which stays what it was.
--

set search_path = portal, pg_temp;


create or replace function authorisation_kinds()
    returns table (code text, rank smallint, own boolean, since date, withdrawn_on date)
    language sql stable
begin atomic
    select f.name, coalesce((w.authorisations->f.name->>'rank')::smallint, f.rank),
           f.name like 'own\_%', (w.authorisations->f.name->>'since')::date,
           (w.authorisations->f.name->>'withdrawn')::date
      from field f
      join town w on w.id = current_setting('portal.tenant')::int
     where f.section = 'child_authorisations'
       and (w.authorisations ? f.name or f.name not like 'own\_%');
end;

comment on function authorisation_kinds() is
    'The town''s authorisations, also those that it does not ask for any more (withdrawn_on). own: it has added it; since: the day from which it is asked, null: from the first day on.';


create or replace function authorisation_title(p_code text, p_lang text) returns text
    language sql stable
begin atomic
    select coalesce(w.authorisations->p_code->>p_lang, w.authorisations->p_code->>'fr', b.title)
      from town w
      left join (values
               ('image_internal', 'fr', 'Photos pour les besoins internes des équipes'),
               ('image_press', 'fr', 'Photos dans la presse et le journal de la ville'),
               ('image_web', 'fr', 'Photos sur le site de la ville'),
               ('leave_alone', 'fr', 'Rentrer seul'),
               ('transport', 'fr', 'Être transporté lors des sorties'),
               ('hospital', 'fr', 'Soins et hospitalisation en urgence'),
               ('swimming', 'fr', 'Participer aux baignades'),
               ('image_internal', 'en', 'Photos for the teams’ own use'),
               ('image_press', 'en', 'Photos in the press and the town’s newsletter'),
               ('image_web', 'en', 'Photos on the town’s website'),
               ('leave_alone', 'en', 'Going home alone'),
               ('transport', 'en', 'Travelling on outings'),
               ('hospital', 'en', 'Emergency care and hospital'),
               ('swimming', 'en', 'Taking part in swimming')) as b (code, lang, title)
             on b.code = p_code
            and b.lang = case when p_lang = 'en' then 'en' else 'fr' end
     where w.id = current_setting('portal.tenant')::int;
end;

comment on function authorisation_title(text, text) is
    'What an authorisation is called, in a language or else in French: what the town calls its own, and the others as pages do (list.code of src/lang; t/settings-authorisation-list.t compares them).';


create or replace function authorisation_names(p_town town, p_lang text) returns jsonb
    language sql immutable
    return (select coalesce(jsonb_object_agg(e.key, case when p_lang is null then e.value
                                - '{rank,since,withdrawn}'::text[]
                                else coalesce(e.value->p_lang, e.value->'fr') end), '{}')
              from jsonb_each(p_town.authorisations) e
             where e.value ? 'fr');

comment on function authorisation_names(town, text) is
    'The titles of a town''s own authorisations, by code: in a language or else in French; null language: {language: title}.';


create or replace function authorisation_added(p_child bigint, p_day date) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select
                     from authorisation_kinds() k
                     join field_policies('child_authorisations') p
                          on p.name = k.code and p.policy in ('editable', 'required')
                    where (k.since > p_day or k.since is not null and p_day is null
                           or k.since = p_day and p.policy = 'required')
                      and not exists (select
                                        from authorisation a
                                       where a.child_id = p_child
                                         and a.code = k.code
                                         and a.answer <> 'unanswered'));
end
$$;

comment on function authorisation_added(bigint, date) is
    'Whether the town asks for an authorisation that it did not ask for before that day (null: ever), and nobody has answered it for the child; one that has to be answered also where that was on the day on which it was added.';


create or replace function authorisation_texts()
    returns table (code text, id bigint, text text)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select distinct on (t.code) t.code, t.id, t.text
      from authorisation_text t
      join field_policies('child_authorisations') p on p.name = t.code
     where t.tenant = here()
       and t.lang in (coalesce((select a.lang from account a where a.id = me()), 'fr'), 'fr')
     order by t.code, t.lang = 'fr', t.id desc;
end
$$;

comment on function authorisation_texts() is
    'The texts that the account is asked with now, one for each authorisation: in its language, or in French where the town has none.';


create or replace function answer_counts(a authorisation) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (a.school_year >= school_year()) is not false
       and not exists (select
                         from authorisation_text n
                        where n.tenant = a.tenant
                          and n.code = a.code
                          and n.asks_again
                          and case when a.text_id is null
                                   then day_of(n.since) >= a.answered_on
                                   else n.since > (select t.since
                                                     from authorisation_text t
                                                    where t.tenant = a.tenant
                                                      and t.id = a.text_id) end);
end
$$;

comment on function answer_counts(authorisation) is
    'Whether an answer holds: its school year is not over, and the town has not asked again since its text was written; of an answer by no known text, since its day.';


create or replace function child_authorisations_values(p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_object_agg(k.code,
                       case when a.answer is not null and answer_counts(a) then a.answer
                            else 'unanswered' end)
              from authorisation_kinds() k
              join child c on c.id = p_id
              left join authorisation a on a.tenant = c.tenant and a.child_id = c.id
                                       and a.code = k.code);
end
$$;

comment on function child_authorisations_values(bigint) is
    'section_values() of child_authorisations, with those that are not asked any more: an answer that does not count, see answer_counts(), is none.';


create or replace function agreement(p_child bigint, p_code text) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('text', a.text_id, 'year', a.school_year,
                       'date', a.answered_on, 'guardian', a.guardian_id)
              from authorisation a
             where a.child_id = p_child
               and a.code = p_code
               and a.answer <> 'unanswered'
               and answer_counts(a));
end
$$;

comment on function agreement(bigint, text) is
    'What an answer that counts was given by, as change_item.old_agreement; null when there is none.';


create or replace function may_answer(p_guardian bigint) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return not exists (select
                         from guardian g
                        where g.id = p_guardian
                          and g.authority is false);
end
$$;

comment on function may_answer(bigint) is
    'Whether a guardian may answer authorisations: one with parental authority is enough, and who is known to have none gives no answer.';


create or replace function may_answer() returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return may_answer(coalesce(counter_guardian(), my_guardian()));
end
$$;

comment on function may_answer() is 'Whether who asks may answer authorisations.';


create or replace function other_answer(p_child bigint, p_code text, p_asked text,
    p_asker bigint)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select json_build_object('name', g.first_name || ' ' || g.last_name,
                       'link', g.link, 'answer', a.answer, 'date', a.answered_on)
              from authorisation a
              join guardian g on g.tenant = a.tenant and g.id = a.guardian_id
             where a.child_id = p_child
               and a.code = p_code
               and a.answer <> 'unanswered'
               and a.answer <> coalesce(p_asked, 'unanswered')
               and a.guardian_id is distinct from p_asker
               and answer_counts(a));
end
$$;

comment on function other_answer(bigint, text, text, bigint) is
    'What another guardian has answered otherwise, and counts: {"name", "link", "answer", "date"}; null: nobody. Input: child, code, the answer that is asked for, the guardian who asks.';


create or replace function differs(p_child bigint, p_code text, p_asked text)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_asker  bigint := coalesce(counter_guardian(), my_guardian());
begin
    return other_answer(p_child, p_code, p_asked, v_asker) is not null
        or exists (select
                     from change_set c
                     join change_item i on i.tenant = c.tenant and i.set_id = c.id
                    where c.child_id = p_child
                      and c.section = 'child_authorisations'
                      and c.state in ('sent', 'taken', 'incomplete')
                      and c.asker_id is distinct from v_asker
                      and i.field = p_code
                      and i.asked #>> '{}' is distinct from p_asked);
end
$$;

comment on function differs(bigint, text, text) is
    'Whether another guardian has answered an authorisation otherwise, or asks to: then an agent decides, whatever the town lets count at once. Input: child, code, the answer that is asked for.';


create or replace function agreed_items(p_child bigint, p_items jsonb, input jsonb,
    p_open bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(jsonb_agg(i.item
                   -- what another guardian has answered, or asks for, is not replaced by
                   -- itself
                   || case when differs(p_child, i.item->>'field', i.item->>'asked')
                           then '{"validation": "agent"}' else '{}' end::jsonb
                   || jsonb_build_object(
                       'old_agreement', agreement(p_child, i.item->>'field'),
                       'agreement', case
                           when coalesce(i.item->>'asked', 'unanswered') = 'unanswered'
                           then null
                           -- sent before, and not asked again
                           when o.agreement is not null and not input ? o.field
                           then o.agreement
                           -- given again, it stays whose it is
                           else jsonb_build_object('text', t.id, 'year',
                                                   answer_year_of(today()))
                                || case when i.item->>'asked' = i.item->>'old'
                                             and g.guardian <> 'null'
                                        then jsonb_build_object('guardian', g.guardian)
                                        else '{}' end
                           end) order by i.n), '[]')
              from jsonb_array_elements(p_items) with ordinality as i (item, n)
              left join authorisation_texts() t on t.code = i.item->>'field'
              left join change_item o on o.tenant = here() and o.set_id = p_open
                                     and o.field = i.item->>'field'
             cross join lateral (select agreement(p_child, i.item->>'field')->'guardian')
                   as g (guardian));
end
$$;

comment on function agreed_items(bigint, jsonb, jsonb, bigint) is
    'section_items() of child_authorisations with what each answer is given by: the text that the form shows now, the school year that it is for, see answer_year_of(), and whose it is where it is only given again; and whether an agent has to decide, see differs(). Input: child, items, the form, the open request.';


create or replace function agreement_shown(p_agreement jsonb, p_day date) returns json
    language sql stable
    return case when p_agreement ? 'text' then
        json_build_object('date', coalesce((p_agreement->>'date')::date, p_day),
            'school_year', p_agreement->>'year',
            'text', (select t.text from authorisation_text t
                      where t.id = (p_agreement->>'text')::bigint)) end;

comment on function agreement_shown(jsonb, date) is
    'What an answer is given by, for people: {"date", "school_year", "text"}. Input: change_item.agreement, the day of the request. Null of what is no answer.';


create or replace function with_texts(p_child json) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_child  jsonb := p_child;
    v_lang   text := coalesce((select a.lang from account a where a.id = me()), 'fr');
begin
    if jsonb_typeof(v_child->'authorisations') is distinct from 'array' then
        return p_child;
    end if;

    return v_child || jsonb_build_object('authorisations', (
        select coalesce(jsonb_agg(x.answer || jsonb_build_object('text', t.text,
                            'title', authorisation_title(x.answer->>'code', v_lang),
                            'asked_again', coalesce(a.answer <> 'unanswered'
                                                    and not answer_counts(a), false))
                        order by x.n), '[]')
          from jsonb_array_elements(v_child->'authorisations')
               with ordinality as x (answer, n)
          left join authorisation a on a.tenant = here()
                                   and a.child_id = (v_child->>'id')::bigint
                                   and a.code = x.answer->>'code'
          left join authorisation_text t on t.tenant = a.tenant and t.id = a.text_id));
end
$$;

comment on function with_texts(json) is
    'A child''s document with what the family''s ready document goes without: the title of each authorisation, the text that it was answered by, and whether the answer is to be given again (asked_again).';


create or replace function former_authorisations(p_child bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(json_build_object('code', a.code,
                       'title', authorisation_title(a.code,
                           coalesce((select o.lang from account o where o.id = me()), 'fr')),
                       'answer', a.answer, 'date', a.answered_on,
                       'school_year', a.school_year, 'text', t.text,
                       'withdrawn_on', k.withdrawn_on) order by k.rank), '[]')
              from authorisation a
              join authorisation_kinds() k on k.code = a.code
                                          and k.withdrawn_on is not null
              left join authorisation_text t on t.tenant = a.tenant and t.id = a.text_id
             where a.child_id = p_child
               and a.answer <> 'unanswered');
end
$$;

comment on function former_authorisations(bigint) is
    'A child''s answers to authorisations that the town does not ask for any more: [{"code", "title", "answer", "date", "school_year", "text", "withdrawn_on"}].';


create or replace function child_authorisations_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into authorisation as a (tenant, child_id, code, answer, answered_on, school_year,
                                    text_id, guardian_id)
    select here(), p_id, n.code, n.answer::answer,
           case when n.answer <> 'unanswered'
                then coalesce((n.agreement->>'date')::date, n.day) end,
           case when n.answer <> 'unanswered' then
                case when n.agreement ? 'year' then n.agreement->>'year'
                     else answer_year_of(n.day) end end,
           case when n.answer <> 'unanswered' then (n.agreement->>'text')::bigint end,
           case when n.answer <> 'unanswered' then
                (select g.id from guardian g
                  where g.id = (case when n.agreement ? 'guardian' then n.agreement->'guardian'
                                     else v->'_asker' end #>> '{}')::bigint) end
      from (select e.key as code, coalesce(nullif(v->>e.key, ''), 'unanswered') as answer,
                   e.value as agreement,
                   coalesce((v->>'_day')::date, today()) as day
              from jsonb_each(v->'_agreements') e) n
        on conflict (tenant, child_id, code) do update
       set answer = excluded.answer, answered_on = excluded.answered_on,
           school_year = excluded.school_year, text_id = excluded.text_id,
           guardian_id = excluded.guardian_id;
end
$$;

comment on function child_authorisations_apply(bigint, jsonb) is
    'section_apply() of child_authorisations: of what is accepted ("_agreements" {code: change_item.agreement}) the answer, the day when it was asked for, the school year it holds for, the text that was read and whose it is ("_asker", or of an answer that comes back who had given it).';
