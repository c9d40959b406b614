--
-- The way back: what is accepted is told to the town's own software, which says
-- what it has made of it.  A machine reads the feed and answers; where there is
-- none agents copy by hand, see copies.sql.
--

set search_path = portal, pg_temp;


-- what is told ------------------------------------------------------------

create or replace function record_changes(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_kind    text := case when p_set.section like 'guardian%' then 'guardian'
                           when p_set.section = 'child_contact' and p_set.action <> 'report'
                           then 'contact' else 'child' end;
    v_person  bigint;
begin
    v_person := case v_kind when 'guardian' then p_set.guardian_id
                            when 'contact' then p_set.contact_id
                            else p_set.child_id end;

    insert into change (tenant, set_id, field, family_id, person_kind, person_id,
                        external_id, decided_role)
    select here(), p_set.id, x.field, p_set.family_id, v_kind, v_person,
           case v_kind
               when 'guardian' then (select g.external_id from guardian g
                                      where g.id = v_person)
               when 'child' then (select c.external_id from child c where c.id = v_person)
           end,
           coalesce(nullif(my_role(), ''), 'automatic')
      from (select i.field, f.rank
              from change_item i
              left join field f on f.section = p_set.section and f.name = i.field
             where i.set_id = p_set.id
               and i.state = 'accepted'
               and p_set.action = 'change'
             union all
            select null, 0
             where p_set.action <> 'change') x
     order by x.rank;

    -- what the software would not have is undone by this, or something newer counts
    update change c
       set state = 'superseded', settled_at = now(), settled_kind = 'agent',
           settled_by = my_agent()
     where c.state = 'rejected'
       and (c.set_id = p_set.reverses
            or c.id in (select o.id
                      from change n
                     cross join lateral same_changes(n) o
                     where n.set_id = p_set.id));
end
$$;

comment on function record_changes(change_set) is
    'Notes what the town''s software is to be told of a request that is accepted: each accepted field, or the request as a whole. Input: the request, its items marked, before it is written into the file: who is taken out is known until then.';


create or replace function write_change(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform record_changes(p_set);
    perform change_apply(p_set);

    -- as it is now: it names whom it has added
    perform verified_by(c) from change_set c where c.id = p_set.id;
end
$$;

comment on function write_change(change_set) is
    'change_apply(), what is told of it, and that its asker has looked. The one way by which what was asked for comes into the file.';


create or replace function same_changes(p_change change) returns setof change
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select c.*
      from change c
      join change_set o on o.tenant = c.tenant and o.id = c.set_id
     where c.person_kind = p_change.person_kind
       and c.person_id = p_change.person_id
       and c.field = p_change.field
       and o.section = (select s.section from change_set s where s.id = p_change.set_id);
end
$$;

comment on function same_changes(change) is
    'The changes of the same field of the same person, itself among them.';


create or replace function settle_change(p_id bigint, p_state text, p_kind text,
    p_by bigint, p_reason text default null)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update change c
       set state = case when p_state = 'rejected'
                             and exists (select
                                           from change n
                                           join change_set o on o.tenant = n.tenant
                                                            and o.id = n.set_id
                                           join change_set s on s.tenant = c.tenant
                                                            and s.id = c.set_id
                                          where n.person_kind = c.person_kind
                                            and n.person_id = c.person_id
                                            and n.field = c.field
                                            and n.id > c.id
                                            and o.section = s.section)
                        then 'superseded' else p_state end,
           settled_at = now(), settled_kind = p_kind, settled_by = p_by,
           answered = case p_kind when 'machine' then p_state else c.answered end,
           reason = coalesce(p_reason, c.reason)
     where c.id = p_id;
end
$$;

comment on function settle_change(bigint, text, text, bigint, text) is
    'Notes what became of a change in the town''s software; the caller has locked it after its family, and calls settled_items() for all that it has settled. What is rejected after a later change of the same was accepted is superseded: that one counts. Input: the change; recorded or rejected; who says so (machine, agent) and their id; why it was rejected.';


create or replace function settled_items(p_ids bigint[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update change_item i
       set acknowledged_at = now()
      from change c
     where c.id = any (p_ids)
       and c.state = 'recorded'
       and i.set_id = c.set_id
       and (c.field is null or i.field = c.field)
       and i.state = 'accepted'
       and i.acknowledged_at is null;

    -- and what came before something of the same that is recorded
    with same as materialized (
        select distinct c.person_kind, c.person_id, c.field, o.section
          from change c
          join change_set o on o.tenant = c.tenant and o.id = c.set_id
         where c.id = any (p_ids)
           and c.field is not null
    ), every as materialized (
        select c.id, c.set_id, c.field, c.state,
               max(c.id) filter (where c.state = 'recorded')
                   over (partition by c.person_kind, c.person_id, c.field, o.section) as last
          from same s
          join change c on c.person_kind = s.person_kind and c.person_id = s.person_id
                       and c.field = s.field
          join change_set o on o.tenant = c.tenant and o.id = c.set_id
                           and o.section = s.section
    )
    update change_item i
       set acknowledged_at = now()
      from every e
     where e.state = 'superseded'
       and e.id < e.last
       and i.set_id = e.set_id
       and i.field = e.field
       and i.state = 'accepted'
       and i.acknowledged_at is null;
end
$$;

comment on function settled_items(bigint[]) is
    'Acknowledges the items of changes that were settled, so that imports may write there again: of what is recorded, and of what came before something of the same that is. Once for all of a call: a person may have had a hundred changes of one field.';


-- the feed ----------------------------------------------------------------

create or replace function place_changes() returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- who comes second reads what has a place by now
    if not pg_try_advisory_xact_lock(hashtextextended('change ' || here(), 0)) then
        return;
    end if;

    update change c
       set position = n.position
      from (select w.id, nextval('change_position') as position
              from (select o.id         -- in the order in which agents lock them
                      from change o
                     where o.tenant = here()  -- the jobs see those of all
                       and o.position is null
                     order by o.id
                     limit 5000
                       for update) w) n
     where c.tenant = here() and c.id = n.id;
end
$$;

comment on function place_changes() is
'Gives places in the feed to the changes of the town that were committed since: a number taken at acceptance would be passed over by who reads between two commits that come in another order. Places are given by one transaction after the other, under a lock, and each is larger than all that were ever read; changes of one family are accepted under its lock, so that they keep their order.';


create or replace function change_value(p_kind text, p_seal uuid, p_field text,
    p_sealed boolean, p_open boolean, value jsonb)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when p_field = 'photo' then 'null'::json
                when p_sealed and not p_open then 'null'::json
                else coalesce(shown(p_kind, p_seal, p_field, p_sealed, value, null), 'null')
           end;
end
$$;

comment on function change_value(text, uuid, text, boolean, boolean, jsonb) is
    'A value as the feed tells it: nginx opens what is sealed, for who may have it. A photo has none.';


create or replace function change_fields(p_set change_set, p_kind text, p_seal uuid,
    p_open boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(json_build_object('field', i.field,
                       'new', change_value(p_kind, p_seal, i.field,
                                           coalesce(f.sealed, false), p_open, i.asked))
                       order by f.rank), '[]')
              from change_item i
              left join field f on f.section = p_set.section and f.name = i.field
             where i.set_id = p_set.id
               and i.state = 'accepted'
               and p_set.action = 'add');
end
$$;

comment on function change_fields(change_set, text, uuid, boolean) is
    'What somebody who is added comes with: [{"field", "new"}]; empty of any other request.';


create or replace function change_person(p_change change, p_set change_set,
    out id bigint, out external_id text, out seal_id uuid, out kind text,
    out child_id text, out child json)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    kind := p_change.person_kind;
    id := coalesce(p_change.person_id, case kind when 'guardian' then p_set.guardian_id
                                                 when 'contact' then p_set.contact_id
                                                 else p_set.child_id end);

    if kind = 'guardian' then
        select g.external_id, g.seal_id into external_id, seal_id
          from guardian g
         where g.id = change_person.id;
    elsif kind = 'child' then
        select c.external_id, c.seal_id into external_id, seal_id
          from child c
         where c.id = change_person.id;
    else
        select c.external_id, json_build_object('id', c.id::text,
                   'external_id', c.external_id, 'last_name', c.last_name,
                   'first_name', c.first_name)
          into child_id, child
          from child c
         where c.id = p_set.child_id;
    end if;

    external_id := coalesce(external_id, p_change.external_id);
end
$$;

comment on function change_person(change, change_set) is
    'Whom a change is about: our id, the software''s, what sealed values are sealed for; of a contact its child. Who was taken out has the external id of then.';


create or replace function change_document(p_change change, p_set change_set,
    p_open boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    c         change := p_change;
    v_who     record := change_person(p_change, p_set);
    v_seal    text := case v_who.kind when 'guardian' then 'guardian' else 'child' end;
    v_item    change_item;
    v_sealed  boolean;
begin
    select i.* into v_item
      from change_item i
     where i.set_id = c.set_id and i.field = c.field;

    select coalesce(bool_or(f.sealed), false) into v_sealed
      from field f
     where f.section = p_set.section
       and (f.name = c.field
            or c.field is null and p_set.action = 'add'
               and exists (select from change_item i
                            where i.set_id = c.set_id and i.field = f.name));

    return json_build_object('cursor', c.position, 'id', c.id, 'state', c.state,
        'family', (select json_build_object('external_id', f.external_id,
                              'number', f.number)
                     from family f where f.id = c.family_id),
        'person', json_build_object('kind', v_who.kind, 'id', v_who.id::text,
                      'external_id', v_who.external_id, 'name', p_set.subject),
        'child', v_who.child,
        'section', p_set.section, 'action', p_set.action, 'field', c.field,
        'title', case when p_set.section = 'child_authorisations'
                      then authorisation_title(c.field, 'fr') end,
        'old', change_value(v_seal, v_who.seal_id, c.field, v_sealed, p_open,
                            coalesce(v_item.found, v_item.old)),
        'new', change_value(v_seal, v_who.seal_id, c.field, v_sealed, p_open,
                            v_item.asked),
        'withheld', v_sealed and (not p_open or v_who.seal_id is null),
        'fields', change_fields(p_set, v_seal, v_who.seal_id, p_open),
        'words', case when p_set.action = 'report' then p_set.comment end,
        'mandate_reference', case when p_set.section = 'guardian_bank'
                                       and c.field in ('iban', 'mandate')
            then (select b.mandate_reference from bank b where b.guardian_id = v_who.id) end,
        'decided_at', c.created_at, 'decided_by', c.decided_role,
        'effective_on', day_of(coalesce(p_set.decided_at, c.created_at)),
        'request', p_set.number,
        'reverses', (select o.number from change_set o where o.id = p_set.reverses),
        'at_counter', p_set.filed_by is not null,
        'unreadable', '{"$unreadable" : []}'::json);
end
$$;

comment on function change_document(change, change_set, boolean) is
'A change as the feed tells it: {"cursor", "id", "state", "family": {"external_id", "number"}, "person": {"kind", "id": ours, "external_id": the software''s or null, "name"}, "child": of a contact {"id", "external_id", "last_name", "first_name"}, "section", "action", "field", "title": of an authorisation what the town calls it, in French, else null, "old", "new", "withheld": it is sealed and not for this machine, or for nobody any more, since whom it is about is no more, "fields": [{"field", "new"}] of somebody added, "words" of a report, "mandate_reference" of an account, "decided_at", "decided_by": role, "effective_on", "request": its number, "reverses": that of the one it undoes, "at_counter": an agent filed it for the family, "unreadable": a mark that lets nginx go on where a sealed value does not open, and becomes the list of their places in this change; after all of them}. Input: change, its request, whether sealed values are opened.';


create or replace function bl_cells(p_set change_set, p_change json) returns json
    language sql stable
begin atomic
    -- one line per change: of an addition, all that comes with it stands on one
    with told as (
        select p_change->>'field' as field, p_change->'new' as new
         where p_change->>'field' is not null
         union all
        select f->>'field', f->'new'
          from json_array_elements(p_change->'fields') f),
    cells as (
        select case (p_set).section
                   when 'guardian_basic' then case t.field
                       when 'title' then 'sexeResp' when 'last_name' then 'nomResp'
                       when 'first_name' then 'prenomResp'
                       when 'birth_date' then 'dateNaisResp'
                       when 'phone_home' then 'telephoneResp'
                       when 'phone_mobile' then 'portableResp'
                       when 'phone_work' then 'telephoneProResp'
                       when 'email' then 'emailResp' end
                   when 'guardian_address' then case t.field
                       when 'street_number' then 'adrNumeroVoie'
                       when 'repetition' then 'adrNumeroVoie'
                       when 'street' then 'adrNumeroVoie'
                       when 'postal_code' then 'adrcodePostal'
                       when 'city' then 'adrLocalite' end
                   when 'guardian_bank' then case t.field
                       when 'iban' then 'iban' when 'bic' then 'bic'
                       when 'mandate' then 'dateSignature' end
                   when 'child_general' then case t.field
                       when 'sex' then 'sexe' when 'last_name' then 'nom'
                       when 'first_name' then 'prenom'
                       when 'birth_date' then 'dateNaissance' end
               end as name,
               case when t.field in ('title', 'sex') and t.new #>> '{}' in ('mr', 'm')
                    then '"MASCULIN"'::json
                    when t.field in ('title', 'sex') and t.new #>> '{}' in ('mrs', 'f')
                    then '"FEMININ"'::json
                    -- as numbers are dialled in France
                    when t.new #>> '{}' ~ '^\+33[1-9][0-9]{8}$'
                    then to_json(regexp_replace(t.new #>> '{}',
                             '^\+33(.)(..)(..)(..)(..)$', '0\1 \2 \3 \4 \5'))
                    -- one column: the line as the request makes it
                    when t.field in ('street_number', 'repetition', 'street')
                    then to_json(address_line(coalesce((select address_values((p_set).guardian_id)),
                                                       '{}')
                             || (select jsonb_object_agg(i.field, i.asked)
                                   from change_item i
                                  where i.set_id = (p_set).id
                                    and i.state = 'accepted')))
                    else t.new end as value
          from told t)
    select coalesce(json_object_agg(c.name, c.value) filter (where c.name is not null), '{}')
      from cells c;
end;

comment on function bl_cells(change_set, json) is
    'What a change says in the names of BL.enfance''s columns: {column: value}; a guardian''s end in Resp, the line says which (1 or 2). Input: the request, its change_document().';


create or replace function bl_line(p_set change_set, p_change json) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_ids    text[] := regexp_match(p_change #>> '{person,external_id}', '^(.+)/([12])$');
    v_rank   text;
    v_cells  json := bl_cells(p_set, p_change);
begin
    -- BL knows guardians by their place in the family: <id>/1, <id>/2
    v_rank := coalesce(v_ids[2],
                       (select least(g.rank, 2)::text from guardian g
                         where g.id = (p_change #>> '{person,id}')::bigint
                           and p_change #>> '{person,kind}' = 'guardian'));

    return json_build_object(
        'file', case when p_set.section = 'guardian_bank' then 'mandat.csv'
                     when p_set.section like 'guardian%' then 'famille.csv'
                     when (p_set.section, p_set.action) in (('child_general', 'remove'))
                     then 'enfantFamille.csv'
                     when p_set.section = 'child_general' then 'enfant.csv' end,
        'famille_id', p_change #>> '{family,external_id}',
        'enfant_id', case p_change #>> '{person,kind}'
                         when 'child' then p_change #>> '{person,external_id}'
                         when 'contact' then p_change #>> '{child,external_id}' end,
        'resp', case when p_set.section like 'guardian%' then v_rank end,
        'titulaire_id', case when p_set.section = 'guardian_bank'
                             then p_change #>> '{family,external_id}' end,
        'rum', p_change->>'mandate_reference',
        'cells', v_cells,
        'field', p_change->>'field',
        'other', case when v_cells::text = '{}' then p_change->'new' end);
end
$$;

comment on function bl_line(change_set, json) is
    'A change as a line of BL.enfance''s columns: the file that holds them, its ids, the cells; "other": the value of a field that BL has no column for.';


create or replace function csv_code(p_value json) returns json
    language sql immutable
    return case when json_typeof(p_value) = 'string' then p_value end;

comment on function csv_code(json) is
    'A value as programs know it, beside the words for people: mr, yes; null of what is opened or no text.';


create or replace function csv_change(p_set change_set, p_change json, p_bl boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (p_change::jsonb || jsonb_build_object(
        'what', what_of((p_set).section, (p_set).action),
        'number', p_set.number, 'subject', p_set.subject,
        'change_state', p_change->'state',
        'external_id', p_change #> '{person,external_id}',
        'family_external_id', p_change #> '{family,external_id}',
        'family_number', p_change #> '{family,number}',
        'child_external_id', p_change #> '{child,external_id}',
        'bl', case when p_bl then bl_line(p_set, p_change) end,
        'lines', case
            when p_change->>'field' is not null then json_build_array(json_build_object(
                'field', p_change->'field', 'before', p_change->'old',
                'asked', p_change->'new', 'code', csv_code(p_change->'new')))
            when json_array_length(p_change->'fields') > 0 then
                (select json_agg(json_build_object('field', f->'field', 'before', null,
                                    'asked', f->'new', 'code', csv_code(f->'new')))
                   from json_array_elements(p_change->'fields') f)
            else '[{"field": null, "before": null, "asked": null, "code": null}]' end))::json;
end
$$;

comment on function csv_change(change_set, json, boolean) is
    'A change as the page for spreadsheets wants it: its cells by name, "lines" [{"field", "before", "asked"}] one for each field, "bl" its bl_line() where asked for. Input: request, change_document().';


create or replace function changes(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_after   bigint := coalesce(to_id(nullif(input->>'after', '')), 0);
    v_limit   int := least(coalesce(to_id(nullif(input->>'limit', '')), 100), 1000000);
    v_csv     boolean := coalesce(input->>'as', '') = 'csv';
    v_bl      boolean := v_csv and coalesce(input->>'format', '') = 'bl';
    v_open    boolean;
    v_rows    json;
    v_count   int;
    v_sealed  int;
    v_last     bigint;
    v_outcome  text;
begin
    perform require_machine('feed');

    if coalesce(input->>'after', '') <> '' and to_id(input->>'after') is null then
        return refused('apres', 'integer_format');
    elsif coalesce(input->>'limit', '') <> ''
          and coalesce(to_id(input->>'limit'), 0) not between 1 and 500
    then
        return refused('limite', 'integer_range');
    elsif coalesce(input->>'format', '') not in ('', 'bl') then
        return refused('format', 'choice');
    end if;

    v_open := exists (select from machine m
                       where m.id = my_machine() and 'feed_sealed' = any (m.rights));

    perform place_changes();

    -- as of a dump that was put back: told, or nothing would ever come again
    if v_after > (select q.last_value from change_position q) then
        return refused('apres', 'cursor_ahead');
    end if;

    select json_agg(case when v_csv then csv_change(x.s, x.document, v_bl)
                         else x.document end order by x.position)
               filter (where x.n <= v_limit),
           count(*), count(*) filter (where x.sealed and x.n <= v_limit),
           max(x.position) filter (where x.n <= v_limit)
      into v_rows, v_count, v_sealed, v_last
      from (select c.position, s, row_number() over (order by c.position) as n,
                   change_document(c, s, v_open) as document,
                   v_open and exists (select
                                        from change_item i
                                        join field f on f.section = s.section
                                                    and f.name = i.field and f.sealed
                                       where i.set_id = c.set_id
                                         and i.state = 'accepted'
                                         and i.field = coalesce(c.field, i.field)) as sealed
              from (select p.* from change p
                     where p.position > v_after
                     order by p.position
                     limit v_limit + 1) c
              join change_set s on s.tenant = c.tenant and s.id = c.set_id) x;

    -- who has had families' data is kept: how much, never what
    if v_count > 0 then
        v_outcome := 'rows_' || least(v_count, v_limit)
                     || case when v_sealed > 0 then '_sealed_' || v_sealed else '' end;
        perform note('read_feed', v_outcome, 'machine', my_machine());
    end if;

    return json_build_object('status', 200, 'changes', coalesce(v_rows, '[]'),
        'next', coalesce(v_last, v_after), 'more', v_count > v_limit, 'is_bl', v_bl);
end
$$;

comment on function changes(jsonb) is
'What was accepted, in the order in which it is told; reading changes nothing, and the same cursor gives the same again. Input: after: cursor of the last one that was read (absent: from the start); limit (100; up to 500); as: csv (for the page of that name, each then as csv_change(); with format: bl in BL.enfance''s columns).
Result: {"status": 200, "changes": [change_document()], "next": cursor to go on after, "more", "is_bl"}; 422 for an after, limit or format that is none. Each reading that gave any is one row of the audit (read_feed, rows_N or rows_N_sealed_M). For machines with the right feed; with feed_sealed also what is sealed is opened.';


-- answers -----------------------------------------------------------------

create or replace function put_external_id(p_kind text, p_id bigint, p_external text)
    returns text
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_has    text;
    v_found  boolean;
begin
    if p_kind = 'guardian' then
        select g.external_id into v_has from guardian g where g.id = p_id;
        v_found := found;
    elsif p_kind = 'child' then
        select c.external_id into v_has from child c where c.id = p_id;
        v_found := found;
    else
        return 'no_external_id';
    end if;

    if not v_found then
        return 'person_gone';
    elsif v_has is not null then
        return case when v_has <> p_external then 'external_id_other' end;
    elsif p_kind = 'guardian' then
        update guardian g set external_id = p_external where g.id = p_id;
    else
        update child c set external_id = p_external where c.id = p_id;
    end if;

    return null;

exception when unique_violation then
    return 'external_id_taken';
end
$$;

comment on function put_external_id(text, bigint, text) is
    'Notes what the town''s software calls somebody whom the portal has added, so that imports find them. Input: guardian or child (a contact has none), id, external id; the caller has locked the families. Result: null, or why not: no_external_id, person_gone, external_id_other (it calls them otherwise), external_id_taken (it calls somebody else so).';


create or replace function acknowledge_change(p_answer jsonb, p_change change)
    returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    c           change := p_change;
    v_state     text := p_answer->>'state';
    v_reason    text := nullif(btrim(regexp_replace(coalesce(p_answer->>'reason', ''),
                                                    '[[:cntrl:]]+', ' ', 'g')), '');
    v_external  text := nullif(p_answer->>'external_id', '');
    v_set       change_set;
    v_code      text;
begin
    if p_answer - '{id,state,reason,external_id}'::text[] <> '{}' then
        return json_build_object('status', 422, 'code', 'unknown_field');
    elsif v_state is null or v_state not in ('recorded', 'rejected') then
        return json_build_object('status', 422, 'code', 'state');
    elsif v_state = 'rejected' and v_reason is null then
        return json_build_object('status', 422, 'code', 'reason_needed');
    elsif length(v_reason) > 500 then
        return json_build_object('status', 422, 'code', 'reason_long');
    elsif length(v_external) > 64 or v_external ~ '[[:cntrl:]]'
          or jsonb_typeof(p_answer->'external_id') not in ('string', 'null')
    then
        return json_build_object('status', 422, 'code', 'external_id');
    elsif c.id is null then
        return json_build_object('status', 404, 'code', 'unknown_change');
    elsif c.answered <> v_state or c.answered is null and c.state = 'recorded'
                                   and v_state = 'rejected'
          or c.answered is null and c.state = 'superseded'
    then
        return json_build_object('status', 409, 'code', 'answered_otherwise');
    end if;

    if v_external is not null then
        select s.* into v_set from change_set s where s.id = c.set_id;
        v_code := put_external_id(c.person_kind, (change_person(c, v_set)).id, v_external);

        if v_code is not null then
            return json_build_object('status', 409, 'code', v_code);
        end if;
    end if;

    if c.state = 'open' then
        perform settle_change(c.id, v_state, 'machine', my_machine(),
                              case v_state when 'rejected' then v_reason end);
    elsif c.answered is null then
        update change x set answered = v_state where x.id = c.id;
    end if;

    return json_build_object('status', 200, 'code', null);
end
$$;

comment on function acknowledge_change(jsonb, change) is
    'One answer of the town''s software to one change, which the caller has locked; the same again changes nothing. Result: {"status": 200 | 404 | 409 | 422, "code"}.';


create or replace function acknowledge_changes(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_ids     bigint[];
    v_answer  jsonb;
    v_change  change;
    v_one     json;
    v_told    json[] := '{}';
    v_counts   int[] := '{0,0}';
    v_outcome  text;
begin
    perform require_machine('feed');

    v_ids := array(select to_id(a->>'id') from jsonb_array_elements(input->'changes') a
                    where to_id(a->>'id') is not null);

    -- families before what hangs on them, each in their order
    perform lock_families(array(select distinct c.family_id from change c
                                 where c.id = any (v_ids)));
    perform 1 from change c where c.id = any (v_ids) order by c.id for update;

    for v_answer in select a from jsonb_array_elements(input->'changes') a loop
        v_change := null;
        select c.* into v_change from change c where c.id = to_id(v_answer->>'id');

        v_one := acknowledge_change(v_answer, v_change);

        if (v_one->>'status')::int = 200 and v_change.state = 'open' then
            v_counts := case v_answer->>'state'
                when 'recorded' then array[v_counts[1] + 1, v_counts[2]]
                else array[v_counts[1], v_counts[2] + 1] end;
        end if;

        v_told := v_told || json_build_object('id', v_answer->'id',
            'status', v_one->'status', 'code', v_one->'code',
            'state', (select c.state from change c where c.id = v_change.id));
    end loop;

    if v_counts <> '{0,0}' then
        perform settled_items(v_ids);
        v_outcome := 'recorded_' || v_counts[1]
                     || case when v_counts[2] > 0 then '_rejected_' || v_counts[2] else '' end;
        perform note('acknowledge_feed', v_outcome, 'machine', my_machine());
    end if;

    return json_build_object('status', 200, 'changes', array_to_json(v_told),
        'errors', json_build_array());
end
$$;

comment on function acknowledge_changes(jsonb) is
'What the town''s software has made of changes that it has read. Input: changes: up to 500 {"id", "state": recorded | rejected, "reason": of a rejected one, "external_id": what it calls somebody whom the portal has added}.
Result: {"status": 200, "changes": [{"id", "status", "code", "state": as it is now}]}, one for each, in their order: 200 done, or done before; 404 unknown_change; 409 answered_otherwise (it was answered or recorded otherwise: what was first stays), external_id_other, external_id_taken, no_external_id, person_gone; 422 unknown_field (the answer has something else), state, reason_needed, reason_long, external_id. What is wrong with one holds none of the others up. For machines with the right feed.';


-- what a family sees of it ------------------------------------------------

create or replace function recorded_items(p_set change_set)
    returns table (field text, recorded_on date)
    language sql stable
begin atomic
    select distinct on (c.field) c.field,
           case when c.state = 'recorded' then day_of(c.settled_at) end
      from change c
     where c.tenant = (p_set).tenant
       and c.set_id = (p_set).id
     order by c.field, c.id desc;
end;

comment on function recorded_items(change_set) is
    'The fields of a request that were accepted (null: the request as a whole) and the day when the town''s software held them; null: not yet.';


create or replace function recorded_on(p_set change_set) returns date
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select case when bool_and(r.recorded_on is not null) then max(r.recorded_on) end
              from recorded_items(p_set) r);
end
$$;

comment on function recorded_on(change_set) is
    'The day since which the town''s software holds all that was accepted of a request; null: not yet.';


grant execute on function changes(jsonb), acknowledge_changes(jsonb) to portal_web;
