--
-- The documents of a child's plan (PAI): how they come into the file with an
-- accepted request about its health, who is sent them, when they go.
--

set search_path = portal, pg_temp;


-- into the file -----------------------------------------------------------

create or replace function put_pai(p_set change_set, p_files uuid[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update upload u
       set left_by = p_set.id
      from child_pai p
     where p.child_id = p_set.child_id
       and u.id = p.upload_id
       and u.id <> all (p_files);

    delete from child_pai p
     where p.child_id = p_set.child_id
       and p.upload_id <> all (p_files);

    update upload u set left_at = null, left_by = null where u.id = any (p_files);

    insert into child_pai (tenant, child_id, upload_id, set_id, until)
    select here(), p_set.child_id, f, p_set.id, h.pai_end
      from unnest(p_files) f
      join health h on h.child_id = p_set.child_id
        on conflict do nothing;
end
$$;

comment on function put_pai(change_set, uuid[]) is
    'Makes these files the documents of a child''s plan; those of before leave the file by that request.';


create or replace function pai_apply(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_files  uuid[];
begin
    if not exists (select from health h
                    where h.child_id = p_set.child_id and h.pai = 'yes')
    then
        -- trigger health_plan has taken them out in this very transaction
        update upload u
           set left_by = p_set.id
         where u.child_id = p_set.child_id
           and u.section = 'child_health'
           and u.left_at = now();
        return;
    end if;

    if p_set.reverses is null then
        v_files := array(
            select u.id
              from upload u
             where u.set_id = p_set.id
               -- of a doctor's telephone no document is a plan, and a
               -- prescription is none where there is one
               and exists (select
                             from change_item i
                            where i.set_id = p_set.id
                              and i.state = 'accepted'
                              and (i.field in ('pai', 'pai_start', 'pai_end')
                                   or i.field in ('allergies', 'allergy_action',
                                                  'treatment')
                                      and not exists (
                                              select
                                                from child_pai p
                                               where p.child_id = p_set.child_id))));

        if v_files = '{}' then
            return;
        end if;
    else
        -- what has come since then stays
        if exists (select
                     from child_pai p
                    where p.child_id = p_set.child_id
                      and p.set_id is distinct from p_set.reverses)
        then
            return;
        end if;

        v_files := array(select u.id from upload u
                          where u.left_by = p_set.reverses
                            and u.child_id = p_set.child_id);
    end if;

    perform put_pai(p_set, v_files);
end
$$;

comment on function pai_apply(change_set) is
    'What an accepted request about a child''s health makes of the documents of its plan: its own take their place where it is about the plan, or, while there is none, the allergies or the treatment; without a plan they go; what undoes it brings back those of before, as far as they are kept. Input: the request, once it is in the file.';


create or replace function end_pais(p_days int, p_limit int) returns int
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_children  bigint[];
    v_count     int;
begin
    -- the families first, as who decides does; what somebody has now waits
    v_children := array(
        select p.child_id
          from child_pai p
         where p.tenant = here() and p.until < today() - p_days
         limit p_limit);

    with held as materialized (
        select f.id
          from family f
         where f.id in (select m.family_id from child_family m
                         where m.child_id = any (v_children))
         order by f.tenant, f.id
           for no key update skip locked)
    delete from child_pai p
     where p.child_id = any (v_children)
       and p.until < today() - p_days
       and not exists (select
                         from child_family m
                        where m.child_id = p.child_id
                          and m.family_id not in (select h.id from held h));
    get diagnostics v_count = row_count;

    return v_count;
end
$$;

comment on function end_pais(int, int) is
    'Takes the documents of plans that are over for so many days out of the file of the town; the files are erased as what has left it. Input: days, how many at most. Result: how many.';


-- who is sent them --------------------------------------------------------

create or replace function pai_rows(p_child bigint)
    returns table (n bigint, id uuid, name text, kind text, size int, since timestamptz)
    language sql stable
begin atomic
    select w.n, w.id, 'pai-' || w.n || '.' || case w.kind when 'jpeg' then 'jpg'
                                                           else w.kind end,
           w.kind, w.size, w.since
      from (select u.id, u.kind, u.size, p.since,
                   row_number() over (order by u.created_at, u.id) as n
              from child_pai p
              join upload u on u.tenant = p.tenant and u.id = p.upload_id
             where p.child_id = p_child) w;
end;

comment on function pai_rows(bigint) is
    'The documents of a child''s plan, with the numbers of their addresses.';


create or replace function pai_documents(p_child bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(json_build_object('name', r.name,
                       'file_kind', r.kind, 'kilobytes', greatest(1, r.size / 1000),
                       'since', day_of(r.since),
                       'path', '/famille/enfants/' || p_child || '/pai-' || r.n)
                       order by r.n), '[]')
              from pai_rows(p_child) r);
end
$$;

comment on function pai_documents(bigint) is
    'The documents of a child''s plan, as its families see them: [{"name", "file_kind", "kilobytes", "since", "path"}].';


create or replace function pai_file(p_child bigint, input jsonb) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_file  record;
begin
    select r.id, r.name into v_file
      from pai_rows(p_child) r
     where r.n = to_id(input->>'document');

    return file_document(v_file.id, input, v_file.name, true);
end
$$;

comment on function pai_file(bigint, jsonb) is
    'A document of a child''s plan, to be kept and not shown. Input: the child, or null; document: its number, piece. Result: file_document().';


create or replace function child_pai_file(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return pai_file((
        select m.child_id
          from child_family m
         where m.family_id = my_family()
           and m.child_id = to_id(input->>'child')
           and 'child_health' = any (seen_by('same_family'))), input);
end
$$;

comment on function child_pai_file(jsonb) is
    'A document of the plan of a child of the session''s family. Input: child, document (number), piece. Result: file_document(). Where the town hides the plan no page has it, but « Mes données » still names this address.';


create or replace function agent_pai_file(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family   family := agent_family_row(input);
    v_child    bigint;
    v_result   json;
    v_refusal  json;
begin
    perform require_agent();

    select m.child_id into v_child
      from child_family m
     where m.family_id = v_family.id
       and m.child_id = to_id(input->>'child')
       and 'child_health' = any (agent_groups())
       and agent_sees('child_health', null, m.child_id);

    v_result := pai_file(v_child, input);

    -- who has read it is kept, once for all its pieces
    if v_result->>'status' = '200' and coalesce(to_id(input->>'piece'), 0) = 0 then
        v_refusal := coalesce(own_sealed(v_family.id, 'read_document', 'child', v_child),
                              agent_reads('read_document', 'child', v_child));
    elsif own_family(v_family.id) then
        v_refusal := no_file();
    end if;

    return coalesce(v_refusal, v_result);
end
$$;

comment on function agent_pai_file(jsonb) is
    'A document of a child''s plan; the audit says who has read it (read_document). Input: family, child, document (number), piece. Result: file_document(); 403 own_family; 429 too_many_readings. For agents.';


grant execute on function child_pai_file(jsonb), agent_pai_file(jsonb) to portal_web;
