--
-- What guardians allow, as a section of the file.  An answer is of a day, holds
-- for a school year and was given by a text, which stays what it was.
--

set search_path = portal, pg_temp;


create or replace function authorisation_texts()
    returns table (code text, id bigint, text text)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select distinct on (t.code) t.code, t.id, t.text
      from authorisation_text t
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
    return (select jsonb_object_agg(a.code,
                       case when answer_counts(a) then a.answer else 'unanswered' end)
              from authorisation a
             where a.child_id = p_id);
end
$$;

comment on function child_authorisations_values(bigint) is
    'section_values() of child_authorisations: an answer that does not count, see answer_counts(), is none.';


create or replace function agreement(p_child bigint, p_code text) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('text', a.text_id, 'year', a.school_year,
                       'date', a.answered_on)
              from authorisation a
             where a.child_id = p_child
               and a.code = p_code
               and a.answer <> 'unanswered'
               and answer_counts(a));
end
$$;

comment on function agreement(bigint, text) is
    'What an answer that counts was given by, as change_item.old_agreement; null when there is none.';


create or replace function agreed_items(p_child bigint, p_items jsonb, input jsonb,
    p_open bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(jsonb_agg(i.item || jsonb_build_object(
                       'old_agreement', agreement(p_child, i.item->>'field'),
                       'agreement', case
                           when coalesce(i.item->>'asked', 'unanswered') = 'unanswered'
                           then null
                           -- sent before, and not asked again
                           when o.agreement is not null and not input ? o.field
                           then o.agreement
                           else jsonb_build_object('text', t.id, 'year',
                                                   answer_year_of(today()))
                           end) order by i.n), '[]')
              from jsonb_array_elements(p_items) with ordinality as i (item, n)
              left join authorisation_texts() t on t.code = i.item->>'field'
              left join change_item o on o.tenant = here() and o.set_id = p_open
                                     and o.field = i.item->>'field');
end
$$;

comment on function agreed_items(bigint, jsonb, jsonb, bigint) is
    'section_items() of child_authorisations with what each answer is given by: the text that the form shows now, the school year that it is for, see answer_year_of(). Input: child, items, the form, the open request.';


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
begin
    if jsonb_typeof(v_child->'authorisations') is distinct from 'array' then
        return p_child;
    end if;

    return v_child || jsonb_build_object('authorisations', (
        select coalesce(jsonb_agg(x.answer || jsonb_build_object('text', t.text,
                            'asked_again', a.answer <> 'unanswered' and not answer_counts(a))
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
    'A child''s document with what the family''s ready document goes without: the text that each authorisation was answered by, and whether the answer is to be given again (asked_again).';


create or replace function child_authorisations_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update authorisation a
       set answer = n.answer,
           answered_on = case when n.answer <> 'unanswered'
                              then coalesce((n.agreement->>'date')::date, n.day) end,
           school_year = case when n.answer <> 'unanswered' then
                             case when n.agreement ? 'year' then n.agreement->>'year'
                                  else answer_year_of(n.day) end end,
           text_id = case when n.answer <> 'unanswered'
                          then (n.agreement->>'text')::bigint end
      from (select e.key as code, coalesce(nullif(v->>e.key, ''), 'unanswered') as answer,
                   e.value as agreement,
                   coalesce((v->>'_day')::date, today()) as day
              from jsonb_each(v->'_agreements') e) n
     where a.child_id = p_id
       and a.code = n.code;
end
$$;

comment on function child_authorisations_apply(bigint, jsonb) is
    'section_apply() of child_authorisations: of what is accepted ("_agreements" {code: change_item.agreement}) the answer, the day when it was asked for, the school year it holds for and the text that was read.';
