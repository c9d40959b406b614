--
-- Files that the town's software has written: how they are stored, given to the
-- reader, and staged line by line.  import_merge.sql compares and writes what
-- they say, import_pages.sql shows what became of it.
--

set search_path = portal, pg_temp;


-- machines ----------------------------------------------------------------

create or replace function require_machine(p_right text) returns void
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if my_machine() is null or me() is not null or my_agent() is not null
       or not exists (select from machine m
                       where m.id = my_machine() and p_right = any (m.rights))
    then
        raise exception using errcode = 'PT403', message = 'not for them';
    end if;
end
$$;

comment on function require_machine(text) is
    'First line of each function that is for machines: raises PT403 unless one asks that has this right.';


create or replace function enter_machine(tenant text, key_mac text, town_version bigint,
    schema int, request text)
    returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
#variable_conflict use_column
declare
    v_result   json := enter(enter_machine.tenant, null, null, null, null,
                             enter_machine.town_version, enter_machine.schema,
                             enter_machine.request);
    v_machine  machine;
begin
    select m.* into v_machine
      from machine m
     where m.key_mac = decode(enter_machine.key_mac, 'hex')
       and m.revoked_at is null;

    if not found then
        raise exception using errcode = 'PT401', message = 'no such key';
    end if;

    perform set_config('portal.machine', v_machine.id::text, true);

    -- a row written by the hour, not by each piece; nobody waits for it
    if v_machine.last_used_at is null
       or v_machine.last_used_at < now() - interval '1 hour'
    then
        update machine m
           set last_used_at = now()
         where (m.tenant, m.id) in (select d.tenant, d.id
                                      from machine d
                                     where d.id = v_machine.id
                                       for no key update skip locked);
    end if;

    return v_result;
end
$$;

comment on function enter_machine(text, text, bigint, int, text) is
'First call of each transaction of a machine, as enter() is elsewhere: sets the town, machine and request; there is no account, no agent and no session.
Input: the town''s slug; MAC (purpose "machine", in hex) of the key that it has shown; version of the town''s document that the caller holds; the caller''s schema version; id of the request.
Result: as enter(). Errors, raised: PT401 no such key, or it was revoked; PT404, PT503 as enter().';


create or replace function import_enter(p_tenant int) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set  text;
begin
    v_set := set_config('portal.tenant', p_tenant::text, true)
          || set_config('portal.account', '0', true)
          || set_config('portal.agent', '0', true)
          || set_config('portal.role', '', true)
          || set_config('portal.machine', '0', true)
          || set_config('portal.family', '0', true)
          || set_config('portal.session', '', true)
          || set_config('portal.request', '', true);
end
$$;

comment on function import_enter(int) is
    'What enter() sets, for jobs and the operator: nobody''s, in that town.';


create or replace function import_note(p_action text, p_outcome text, p_import bigint)
    returns void
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    perform note(p_action, p_outcome, 'import', p_import);
end
$$;

comment on function import_note(text, text, bigint) is
    'note() for the jobs. Input: action, outcome, the import.';


create or replace function make_machine(p_slug text, p_name text, p_key_mac text,
    p_rights text[])
    returns bigint
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town  int := (select t.id from town t where t.slug = p_slug);
    v_id    bigint;
begin
    if v_town is null then
        raise exception using errcode = 'PT404', message = 'no such town';
    end if;

    perform import_enter(v_town);

    -- another key for the same one: the former counts no more
    update machine m
       set revoked_at = now()
     where m.tenant = v_town and m.name = p_name and m.revoked_at is null;

    insert into machine (tenant, name, key_mac, rights)
    values (v_town, p_name, decode(p_key_mac, 'hex'), p_rights)
    returning id into v_id;

    perform note('make_machine', 'ok', 'machine', v_id);

    return v_id;
end
$$;

comment on function make_machine(text, text, text, text[]) is
'Lets a program call with a key, or gives one of that name another key. For the operator, with the tables'' own rights; no request may call it. Input: the town''s slug, name, MAC of the key in hex (purpose "machine"; the key is made and shown by who calls), rights (import, feed). Result: its id.';


create or replace function revoke_machine(p_slug text, p_name text) returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town  int := (select t.id from town t where t.slug = p_slug);
    v_id    bigint;
begin
    perform import_enter(v_town);

    update machine m
       set revoked_at = now()
     where m.tenant = v_town and m.name = p_name and m.revoked_at is null
    returning m.id into v_id;

    if v_id is not null then
        perform note('revoke_machine', 'ok', 'machine', v_id);
    end if;

    return v_id is not null;
end
$$;

comment on function revoke_machine(text, text) is
    'Makes the key of a machine count no more. For the operator. Input: the town''s slug, name. Result: it did count.';


-- storing -----------------------------------------------------------------

create or replace function my_filling(p_file uuid) returns bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select i.id
              from import i
              join import_file f on f.tenant = i.tenant and f.import_id = i.id
             where f.seal_id = p_file
               and i.state = 'filling'
               and (i.agent_id = my_agent() or i.machine_id = my_machine()));
end
$$;

comment on function my_filling(uuid) is
    'The import whose file with that id the agent or machine is sending, or null.';


create or replace function import_begin(u jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_id    bigint;
    v_name  text := coalesce(nullif(left(btrim(regexp_replace(
                        regexp_replace(coalesce(u->>'name', ''), '^.*[/\\]', ''),
                        '[[:cntrl:]]', '', 'g')), 200), ''), 'import');
begin
    -- several files of one form are one import: those that came just before
    if my_agent() is not null and not coalesce((u->>'first')::boolean, false) then
        select i.id into v_id
          from import i
         where i.agent_id = my_agent()
           and i.state = 'filling'
           and i.created_at > now() - interval '10 minutes'
           and not exists (select from import_file f
                            where f.import_id = i.id and f.name = v_name)
         order by i.id desc
         limit 1;
    end if;

    if v_id is null then
        if (select count(*) from import i
             where i.state in ('filling', 'received', 'reading', 'checking', 'applying')
               and i.created_at > now() - interval '1 day') >= 50
        then
            return refused(coalesce(u->>'field', ''), 'imports_waiting', 429);
        end if;

        insert into import (tenant, source, agent_id, machine_id, name, dry, state)
        values (here(), case when my_agent() is not null then 'page' else 'machine' end,
                my_agent(), my_machine(), v_name, true, 'filling')
        returning id into v_id;
    end if;

    insert into import_file (tenant, import_id, file, seal_id, name, size, pieces)
    select here(), v_id, coalesce(max(f.file), 0) + 1, (u->>'id')::uuid, v_name,
           (u->>'size')::bigint, (u->>'pieces')::int
      from import_file f
     where f.import_id = v_id
    having coalesce(max(f.file), 0) < 20;

    if not found then
        return refused(coalesce(u->>'field', ''), 'too_many_files');
    end if;

    return null;
end
$$;

comment on function import_begin(jsonb) is
    'Makes the row of a file that comes, and the import that it is of. Input: "upload" of store_import(). Result: null, or the answer to give.';


create or replace function store_import(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    u         jsonb := input->'upload';
    v_id      bigint;
    v_answer  json;
begin
    if my_machine() is not null then
        perform require_machine('import');
    else
        perform require_agent('administrator');
    end if;

    if (u->>'size')::bigint > 52428800 or (u->>'piece')::int >= 200 then
        return refused(coalesce(u->>'field', ''), 'import_large', 413);
    end if;

    if (u->>'piece')::int = 0 then
        v_answer := import_begin(u);

        if v_answer is not null then
            return v_answer;
        end if;
    end if;

    v_id := my_filling((u->>'id')::uuid);

    update import_file f
       set stored = f.stored + 1
     where f.import_id = v_id
       and f.seal_id = (u->>'id')::uuid
       and f.stored = (u->>'piece')::int
       and (f.pieces is null or f.stored < f.pieces);

    if not found then
        return no_file();
    end if;

    insert into import_piece (tenant, import_id, file, piece, sealed)
    select f.tenant, f.import_id, f.file, (u->>'piece')::int, u->>'sealed'
      from import_file f
     where f.import_id = v_id
       and f.seal_id = (u->>'id')::uuid;

    return json_build_object('status', 200, 'import', v_id);
end
$$;

comment on function store_import(jsonb) is
'Stores one piece of a file to be imported, the first before the others. For administrators and for machines with the right import. Input: upload: {"id": random uuid, what the pieces are sealed for, "name": of the file, "size" and "pieces" (null where the end is not known), "piece": from 0, "sealed", "field", "first": it is the first of its form}. Several files that an administrator sends one after the other are one import, until start_import(); each file of a machine is one. Result: {"status": 200, "import"}; 404 for a piece that is not the next one; 413 import_large (50 MB); 429 imports_waiting; 422 too_many_files. What is not started goes after a day.';


create or replace function start_import(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    u          jsonb := input->'upload';
    v_dry      boolean := coalesce(nullif(input->>'dry', ''), 'yes') <> 'no';
    v_import   import;
    v_twin     bigint;
    v_answer   json;
begin
    if my_machine() is not null then
        perform require_machine('import');
    else
        perform require_agent('administrator');
    end if;

    v_answer := repeated(input);
    if v_answer is not null then
        return v_answer;
    end if;

    -- who meant to apply, or to check, is not to have the other unseen
    if coalesce(nullif(input->>'dry', ''), 'yes') not in ('yes', 'no') then
        if my_machine() is not null then
            update import i
               set state = 'cancelled', finished_at = now()
             where i.id = my_filling((u->>'id')::uuid);
        end if;

        return done(input, refused('dry', 'choice'));
    end if;

    -- of a body whose end nobody knew before
    update import_file f
       set size = coalesce(f.size, (u->>'size')::bigint), pieces = coalesce(f.pieces, f.stored)
     where f.seal_id = (u->>'id')::uuid
       and f.import_id = my_filling(f.seal_id);

    select i.* into v_import
      from import i
     where i.state = 'filling'
       and (i.agent_id = my_agent()
            or i.machine_id = my_machine() and i.id = my_filling((u->>'id')::uuid))
     order by i.id desc
     limit 1
       for update;

    if v_import.id is null
       or exists (select from import_file f
                   where f.import_id = v_import.id
                     and (f.pieces is null or f.stored <> f.pieces))
    then
        return done(input, refused('archive', 'required'));
    end if;

    if my_machine() is not null then
        select i.id into v_twin
          from import i
         where i.machine_id = my_machine()
           and i.content_mac = decode(u->>'mac', 'hex')
           and i.name = v_import.name
           and i.dry = v_dry
           and i.state in ('received', 'reading', 'checking', 'applying')
         limit 1;
    end if;

    if v_twin is not null then
        update import i
           set state = 'cancelled', finished_at = now(), content_mac = decode(u->>'mac', 'hex')
         where i.id = v_import.id;
    else
        update import i
           set state = 'received', dry = v_dry, content_mac = decode(u->>'mac', 'hex')
         where i.id = v_import.id;
        perform note('start_import', case when v_dry then 'dry' else 'ok' end, 'import',
                     v_import.id);
    end if;

    v_twin := coalesce(v_twin, v_import.id);

    return done(input, case when my_machine() is null
                       then moved('/imports/' || v_twin, null, 'import_received')
                       else json_build_object('status', 202, 'location', '/import/' || v_twin,
                                'import', v_twin, 'session', null, 'notice', null,
                                'errors', json_build_array()) end);
end
$$;

comment on function start_import(jsonb) is
'What has been stored is read from now on. For administrators and machines, as store_import(). Input: dry (no: it is applied once it is checked; yes, the default: it stops there); of a machine upload: {"id" of its file, "mac" of the content, "size" where the pieces did not say it}; _ as repeated(). Result: 303 /imports/ID, of a machine 202 with "location" /import/ID: while a file is on its way the same one sent again is that import. Errors: archive required; dry choice.';


-- the reader --------------------------------------------------------------

create or replace function import_claim(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_import  import;
    v_slug    text;
begin
    select i.* into v_import
      from import i
     where i.state = 'received'
        or i.state = 'reading' and i.lease_until <= now()
     order by i.created_at, i.id
     limit 1
       for update skip locked;

    if not found then
        return json_build_object('status', 200, 'note', null, 'more', false, 'import', null);
    end if;

    perform import_enter(v_import.tenant);
    select t.slug into v_slug from town t where t.id = v_import.tenant;

    if v_import.claims >= 5 then
        update import i
           set state = 'failed', failure = '{"code": "reader", "file": null, "line": null}',
               finished_at = now(), lease = null, lease_until = null
         where i.tenant = v_import.tenant and i.id = v_import.id;
        delete from import_piece p
         where p.tenant = v_import.tenant and p.import_id = v_import.id;
        perform import_note('import', 'failed', v_import.id);

        return json_build_object('status', 200, 'more', true, 'import', null,
            'note', v_slug || ' import ' || v_import.id || ' was begun five times: given up');
    end if;

    update import i
       set state = 'reading', claims = i.claims + 1, lease = gen_random_uuid(),
           lease_until = now() + interval '60 seconds'
     where i.tenant = v_import.tenant and i.id = v_import.id
    returning i.* into v_import;

    return (select json_build_object('status', 200, 'note', null, 'more', true,
                'import', json_build_object('tenant', v_import.tenant, 'slug', v_slug,
                    'id', v_import.id, 'seal_id', min(f.seal_id::text) filter (where f.n = 1),
                    'name', v_import.name, 'pieces', sum(f.pieces),
                    'plain', v_import.source = 'psql', 'size', sum(f.size),
                    'files', json_agg(json_build_object('name', f.name, 'seal_id', f.seal_id,
                        'size', f.size, 'pieces', f.pieces, 'from', f.before) order by f.n),
                    'lines', (select coalesce(json_object_agg(l.file, l.line), '{}')
                                from (select x.file, max(x.line) as line
                                        from import_line x
                                       where x.tenant = v_import.tenant
                                         and x.import_id = v_import.id
                                       group by x.file) l),
                    'lease', v_import.lease, 'today', day_of(now())))
              from (select w.*, row_number() over (order by w.file) as n,
                           coalesce(sum(w.pieces) over (order by w.file
                               rows between unbounded preceding and 1 preceding), 0)
                           as before
                      from import_file w
                     where w.tenant = v_import.tenant and w.import_id = v_import.id) f);
end
$$;

comment on function import_claim(jsonb) is
'Takes an import to read: the oldest that nobody reads, or whose reader has said nothing for 60 s. Input: every (not used: whoever asks may have the next one).
Result: {"status": 200, "note", "more", "import": null or {"tenant", "slug", "id", "seal_id" of the first file, "name", "pieces" and "size" of all files, "plain": the pieces are not sealed, "files": [{"name", "seal_id", "size", "pieces", "from": number of its first piece in get_import_piece(); each is sealed for its number within its file}], "lines": {file: last line that is staged}, "lease": to be given back with each call, "today"}}. A file whose reader ended five times has failed. For portal_jobs.';


create or replace function import_lease(input jsonb) returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update import i
       set lease_until = now() + interval '60 seconds'
     where i.tenant = (input->>'tenant')::int
       and i.id = (input->>'import')::bigint
       and i.state = 'reading'
       and (not input ? 'lease' or i.lease = (input->>'lease')::uuid);

    return found;
end
$$;

comment on function import_lease(jsonb) is
    'Renews a reader''s lease. Input: tenant, import, lease (may be left out). Result: it is still theirs to read.';


create or replace function import_lost() returns json
    language sql immutable
    return json_build_object('status', 409, 'errors',
        json_build_array(json_build_object('field', '', 'code', 'import_lost')));

comment on function import_lost() is
    'The answer to a reader whose import was cancelled or is another''s by now.';


create or replace function get_import_piece(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_piece  import_piece;
begin
    if not import_lease(input) then
        return import_lost();
    end if;

    select p.* into v_piece
      from (select f.file, coalesce(sum(f.pieces) over (order by f.file
                       rows between unbounded preceding and 1 preceding), 0) as before
              from import_file f
             where f.tenant = (input->>'tenant')::int
               and f.import_id = (input->>'import')::bigint) f
      join import_piece p on p.tenant = (input->>'tenant')::int
                         and p.import_id = (input->>'import')::bigint
                         and p.file = f.file
                         and p.piece = (input->>'piece')::int - f.before;

    return case when v_piece.sealed is not null
                then json_build_object('status', 200, 'sealed', v_piece.sealed)
                when v_piece.plain is not null
                then json_build_object('status', 200, 'plain',
                         translate(encode(v_piece.plain, 'base64'), E'\n', ''))
                else json_build_object('status', 404, 'errors', json_build_array()) end;
end
$$;

comment on function get_import_piece(jsonb) is
    'A piece of the files of an import that is being read. Input: tenant, import, piece (counted through all files), lease. Result: {"status": 200, "sealed"} or {"status": 200, "plain": base64}; 404; 409 import_lost. For portal_jobs.';


create or replace function guardian_places(p_keys text[]) returns jsonb
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return (select coalesce(jsonb_object_agg(g.external_id, g.seal_id), '{}')
              from guardian g
             where g.external_id = any (p_keys));
end
$$;

comment on function guardian_places(text[]) is
    'What the sealed values of guardians are sealed for, by external id, in this town.';


create or replace function import_places(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_keys  text[] := array(select jsonb_array_elements_text(input->'keys'));
begin
    if not import_lease(input) then
        return import_lost();
    end if;

    perform import_enter((input->>'tenant')::int);

    return json_build_object('status', 200, 'places',
        (select coalesce(jsonb_object_agg(k.key, k.seal_id), '{}')
           from import_key k
          where k.tenant = here()
            and k.import_id = (input->>'import')::bigint
            and k.kind in ('guardian', 'tax', 'bank')
            and k.key = any (v_keys)
            and k.seal_id is not null)
        || guardian_places(v_keys));
end
$$;

comment on function import_places(jsonb) is
    'What the sealed values of guardians are to be sealed for: those in the file, and those that this import brings. Input: tenant, import, keys (external ids), lease. Result: {"status": 200, "places": {key: seal_id}}, without those who are not known; 409 import_lost. For portal_jobs.';


create or replace function import_stage(p_kind text) returns int
    language sql immutable parallel safe
    return case p_kind when 'family' then 1 when 'guardian' then 2 when 'address' then 3
                       when 'tax' then 3 when 'bank' then 3 when 'child' then 4
                       when 'child_family' then 5 when 'schooling' then 6
                       when 'contact' then 7 end;

comment on function import_stage(text) is
    'Order in which kinds of records are applied: what is referred to comes first.';


create or replace function import_ref(r jsonb) returns text
    language sql immutable
    return case r->>'kind'
               when 'child_family' then coalesce(r->>'ref', '')
               when 'schooling' then coalesce(r #>> '{values,year}', '')
               when 'contact' then coalesce(r->>'ref', '') || chr(31)
                    || fold(coalesce(r #>> '{values,last_name}', '')
                            || coalesce(r #>> '{values,first_name}', ''))
               else '' end;

comment on function import_ref(jsonb) is 'What makes a record one of its kind and key, as import_key.ref.';


create or replace function import_print(r jsonb) returns bytea
    language sql immutable
    return decode(md5(concat_ws(chr(31), r->>'ref',
        ((r->'values') - array(select jsonb_object_keys(coalesce(r->'macs', '{}'))))::text,
        (r->'macs')::text)), 'hex');

comment on function import_print(jsonb) is
    'Hash of what a record says, of sealed values by their MACs: two that say the same have the same.';


create or replace function import_analyze(p_what text) returns void
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    if p_what = 'import' then
        analyze import_line, import_key;
    else
        analyze family, guardian, address, bank, child, child_family, authorisation, health;
    end if;

exception when lock_not_available then
    null;   -- somebody does it just now
end
$$;

comment on function import_analyze(text) is
    'Has the database look at tables that have grown at once, which it does by itself too late for an import: import (what is staged), file (what it is written into).';


create or replace function import_lines(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_tenant  int := (input->>'tenant')::int;
    v_import  bigint := (input->>'import')::bigint;
    v_file    text := input->>'file';
    v_last    int;
    v_rows    int;
begin
    if not import_lease(input) then
        return import_lost();
    end if;

    -- they come in their order
    select coalesce(max(o.line), 0) into v_last
      from import_line o
     where o.tenant = v_tenant and o.import_id = v_import and o.file = v_file;

    -- the first line that says something of somebody is the one that counts
    insert into import_key (tenant, import_id, kind, key, ref, file, line, print, seal_id)
    select v_tenant, v_import, r->>'kind', r->>'key', import_ref(r), v_file,
           (l->>'line')::int, import_print(r), (r->>'seal_id')::uuid
      from jsonb_array_elements(input->'lines') with ordinality as x (l, n)
     cross join lateral jsonb_array_elements(l->'records') as y (r)
     where not exists (select from jsonb_array_elements(l->'errors') e
                        where e->>'left' is distinct from 'true')
       and (l->>'line')::int > v_last
     order by x.n
        on conflict do nothing;

    -- nor is it forgotten whom a wrong one has named, see import_is_stranger(), or
    -- that nobody can tell, see import_unread()
    insert into import_key (tenant, import_id, kind, key, ref, file, line, print)
    select v_tenant, v_import,
           case r->>'kind' when 'guardian' then 'wrong_guardian' else r->>'kind' end,
           r->>'key', '', v_file, (l->>'line')::int, import_print(r)
      from jsonb_array_elements(input->'lines') with ordinality as x (l, n)
     cross join lateral jsonb_array_elements(l->'records') as y (r)
     where r->>'kind' in ('guardian', 'unread_guardian')
       and exists (select from jsonb_array_elements(l->'errors') e
                    where e->>'left' is distinct from 'true')
       and (l->>'line')::int > v_last
     order by x.n
        on conflict do nothing;

    insert into import_line (tenant, import_id, file, line, stage, records, errors)
    select v_tenant, v_import, v_file, (l->>'line')::int,
           coalesce(k.stage, 1), coalesce(k.records, '[]'),
           coalesce(l->'errors', '[]') || coalesce(k.errors, '[]')
      from jsonb_array_elements(input->'lines') with ordinality as x (l, n)
      left join lateral (
               select min(import_stage(r->>'kind')) as stage,
                      jsonb_agg(r order by y.n) filter (
                          where o.line is null
                             or (o.file, o.line) = (v_file, (l->>'line')::int)) as records,
                      jsonb_agg(distinct jsonb_build_object('field', null, 'column', null,
                          'code', 'duplicate', 'key', r->>'key',
                          'first_file', o.file, 'first_line', o.line)) filter (
                          where (o.file, o.line) <> (v_file, (l->>'line')::int)
                            and o.print <> import_print(r)
                            and not coalesce(l->'errors', '[]')
                                    @? '$[*] ? (!(@.left == true))') as errors
                 from jsonb_array_elements(l->'records') with ordinality as y (r, n)
                 left join lateral (
                          -- by its key, however little is known of the table
                          select x.*
                            from import_key x
                           where x.tenant = v_tenant and x.import_id = v_import
                             and x.kind = r->>'kind' and x.key = r->>'key'
                             and x.ref = import_ref(r)
                          offset 0) o on true
                where import_stage(r->>'kind') is not null) k on true
     where (l->>'line')::int > v_last
     order by x.n
        on conflict do nothing;
    get diagnostics v_rows = row_count;

    update import i
       set lines = i.lines + v_rows
     where i.tenant = v_tenant and i.id = v_import;

    return json_build_object('status', 200);
end
$$;

comment on function import_lines(jsonb) is
'Stages lines of a file, in their order; a line that is staged already stays as it was. Input: tenant, import, lease, file, lines: [{"line", "records": [{"kind", "key", "ref", "values": {field: value, null empties it}, "macs", "hints", "seal_id", "columns"}], what is referred to first, "errors": [{"field", "column", "code", "left"}]}].
A line with an error is refused as a whole, but for errors with "left": true: there the field was left out, and is told of, and the rest counts. A line that is wrong before it is read has but {"kind": "unread_guardian", "key": of whom it names, "" where nobody can tell} in records. A line without records and errors says nothing new. What says of the same something else than an earlier line is refused as duplicate, with "first_file" and "first_line" of that one; what says the same counts once.
Result: {"status": 200}; 409 import_lost. For portal_jobs.';


create or replace function import_read(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_tenant   int := (input->>'tenant')::int;
    v_import   bigint := (input->>'import')::bigint;
    v_failure  jsonb := nullif(input->'failure', 'null');
begin
    if not import_lease(input) then
        return import_lost();
    end if;

    perform import_enter(v_tenant);

    update import i
       set state = case when v_failure is null then 'checking' else 'failed' end,
           failure = v_failure, files = coalesce(input->'files', '[]'),
           finished_at = case when v_failure is not null then now() end,
           lease = null, lease_until = null
     where i.tenant = v_tenant and i.id = v_import;

    delete from import_piece p where p.tenant = v_tenant and p.import_id = v_import;
    perform import_analyze('import');

    if v_failure is not null then
        perform import_note('import', 'failed', v_import);
    end if;

    return json_build_object('status', 200);
end
$$;

comment on function import_read(jsonb) is
'Ends the reading of an import; its pieces are erased. Input: tenant, import, lease, failure (null, or {"code", "file", "line"}), files: [{"name", "kind", "lines", "encoding", "separator", "unknown"}]. Result: {"status": 200}; 409 import_lost. For portal_jobs.';


-- the operator's way, see sql/import.psql -----------------------------------

create or replace function import_given(p_slug text, p_name text, p_oid oid,
    p_dry boolean default true)
    returns bigint
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town   int := (select t.id from town t where t.slug = p_slug);
    v_bytes  bytea := lo_get(p_oid);
    v_id     bigint;
begin
    if v_town is null then
        raise exception using errcode = 'PT404', message = 'no such town';
    end if;

    if length(v_bytes) > 52428800 then
        raise exception using errcode = 'PT413', message = 'more than 50 MB';
    end if;

    perform import_enter(v_town);

    insert into import (tenant, source, name, dry)
    values (v_town, 'psql', regexp_replace(p_name, '^.*/', ''), p_dry)
    returning id into v_id;

    insert into import_file (tenant, import_id, file, name, size, pieces, stored)
    select v_town, v_id, 1, i.name, length(v_bytes), n.pieces, n.pieces
      from import i
     cross join (select (length(v_bytes) + 262143) / 262144) n (pieces)
     where i.tenant = v_town and i.id = v_id;

    insert into import_piece (tenant, import_id, file, piece, plain)
    select v_town, v_id, 1, n, substr(v_bytes, n * 262144 + 1, 262144)
      from generate_series(0, (length(v_bytes) + 262143) / 262144 - 1) n;

    perform lo_unlink(p_oid);
    perform note('start_import', case when p_dry then 'dry' else 'ok' end, 'import', v_id);

    return v_id;
end
$$;

comment on function import_given(text, text, oid, boolean) is
'Gives a file to be imported. For the operator, with the tables'' own rights. Input: the town''s slug, name of the file, large object that holds it (it is removed), whether it stops once it is checked. Result: id of the import, for import_told() and import_go_on().';


create or replace function import_go_on(p_slug text, p_import bigint) returns text
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town   int := (select t.id from town t where t.slug = p_slug);
    v_state  text;
begin
    perform import_enter(v_town);

    update import i
       set state = 'applying', dry = false
     where i.tenant = v_town and i.id = p_import and i.state = 'checked'
    returning i.state into v_state;

    return v_state;
end
$$;

comment on function import_go_on(text, bigint) is
    'A dry run that is checked is applied. For the operator. Input: the town''s slug, the import. Result: its state, null where it does not wait for that.';


create or replace function import_told(p_slug text, p_import bigint)
    returns table (file text, line int, outcome text, key text, field text,
                   "column" text, code text)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select i.name, null::int, i.state, null::text, null::text, null::text,
           coalesce(i.failure->>'code',
                    (select string_agg(c.key || ' ' || c.value, ', ' order by c.key)
                       from jsonb_each_text(i.counts) c))
      from import i
      join town t on t.id = i.tenant
     where t.slug = p_slug and i.id = p_import
     union all
    (select l.file, l.line, l.outcome, d->>'key', d->>'field', d->>'column', d->>'code'
       from import_line l
       join town t on t.id = l.tenant
      cross join lateral jsonb_array_elements(l.errors || l.detail) d
      where t.slug = p_slug and l.import_id = p_import
      order by l.file, l.line);
end
$$;

comment on function import_told(text, bigint) is
    'The report of an import: its state with the counts, then what is told of lines. For the operator. Input: the town''s slug, the import. Result: rows of file, line, outcome, key, field, column, code.';


grant execute on function enter_machine(text, text, bigint, int, text), store_import(jsonb),
    start_import(jsonb)
   to portal_web;
grant execute on function import_claim(jsonb), get_import_piece(jsonb), import_places(jsonb),
    import_lines(jsonb), import_read(jsonb)
   to portal_jobs;
