--
-- Towns as a whole: made, written out, read in elsewhere, erased.  For the
-- operator, with the rights of a superuser (sql/town): no request may call any
-- of it.
--

set search_path = portal, pg_temp;


create or replace function next_town() returns int
    language sql volatile
begin atomic
    select greatest(coalesce(max(t.id), 0), coalesce(max(e.tenant), 0)) + 1
      from town t
      full join audit_erased e on false;
end;

comment on function next_town() is
    'The id of the next town: none that another has had, as long as a link of its audit is kept.';


create or replace function make_town(input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town     town;
    v_missing  text;
begin
    select string_agg(k, ', ') into v_missing
      from unnest(array['slug', 'name', 'origin', 'phone', 'email']) k
     where coalesce(input->>k, '') = '';

    if v_missing is not null then
        raise exception 'a town needs %', v_missing
            using errcode = 'PT422', hint = 'slug, name, origin, phone (E.164), email';
    end if;

    v_town := jsonb_populate_record(null::town, jsonb_build_object(
        'service', 'Portail Citoyen', 'family_service', 'Espace Famille',
        'host', substring(input->>'origin' from '^https?://([^:/]+)'),
        'theme', jsonb_build_object('brand', '#0f5257', 'brand_dark', '#0a3a3e',
            'brand_light', '#e4f1f0', 'on_brand', '#ffffff', 'accent', '#f6c453',
            'radius', '.75rem'),
        'office', 'La mairie', 'hours', 'aux heures d’ouverture de la mairie',
        'counter', 'Mairie', 'mail_from', input->>'email',
        'mail_name', 'Portail Citoyen de ' || (input->>'name')) || input);

    insert into town (id, slug, name, service, family_service, origin, agent_origin, host,
                      theme, theme_css, phone, email, office, hours, counter, mail_from,
                      mail_name, captcha_questions)
    values (next_town(), v_town.slug, v_town.name, v_town.service, v_town.family_service,
            v_town.origin, v_town.agent_origin, v_town.host, v_town.theme,
            v_town.theme_css, v_town.phone, v_town.email, v_town.office, v_town.hours,
            v_town.counter, v_town.mail_from, v_town.mail_name, captcha_sums())
    returning * into v_town;

    return json_build_object('status', 201, 'id', v_town.id, 'slug', v_town.slug);
end
$$;

comment on function make_town(jsonb) is
'Makes a town; pages answer for it as soon as a server of nginx leads to its slug. Input: slug, name, origin, phone (E.164), email; and what else is to be another than usual of agent_origin, host (that of origin), service, family_service, theme, theme_css, office, hours, counter, mail_from (email), mail_name.
Result: {"status": 201, "id", "slug"}. Errors, raised: PT422 naming what is missing; the table''s constraints.';


create or replace function town_tables() returns setof text
    language sql stable
begin atomic
    select c.relname::text
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
                         and not a.attisdropped
     where c.relnamespace = 'portal'::regnamespace
       and c.relkind = 'r'
     order by c.relname;
end;

comment on function town_tables() is 'The tables that hold what is of a town.';


create or replace function export_town(p_slug text) returns setof jsonb
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town   int := (select t.id from town t where t.slug = p_slug);
    v_table  text;
    v_rows   bigint;
    v_all    bigint := 1;
begin
    if v_town is null then
        raise exception using errcode = 'PT404', message = 'no such town';
    end if;

    return query
    select jsonb_build_object('table', 'town', 'row', to_jsonb(t)) from town t where t.id = v_town;

    -- ready documents are made anew; of the audit's links only their host knows
    for v_table in
        select n from town_tables() n where n not in ('family_document', 'audit_erased')
    loop
        return query execute format(
            'select jsonb_build_object(''table'', %L, ''row'', to_jsonb(t)) '
            'from portal.%I t where t.tenant = $1', v_table, v_table) using v_town;
        get diagnostics v_rows = row_count;
        v_all := v_all + v_rows;
    end loop;

    -- who reads it in knows by this that nothing was cut off
    return next jsonb_build_object('table', 'end', 'rows', v_all,
                                   'schema', (select max(m.number) from migration m));
end
$$;

comment on function export_town(text) is
'All that is held of a town, a JSON object for each row: {"table", "row"}, and at the end {"table": "end", "rows": how many, "schema": number of the latest migration}; sealed values stay sealed, for the key file that sealed them. Input: its slug. Errors, raised: PT404. Read in one transaction with repeatable read, or rows of one moment stand beside rows of another.';


create or replace function restore_rows(p_table text, p_town int) returns bigint
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_names   text;
    v_values  text;
    v_rows    bigint;
    v_column  record;
begin
    -- a value that is JSON''s null is no absent one; links of the audit are of
    -- the host that made them
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum),
           string_agg(case
               when a.attname = 'tenant' or (p_table = 'town' and a.attname = 'id')
                   then '$1'
               when p_table = 'audit' and a.attname in ('chain', 'hash') then 'null'
               when a.atttypid = 'jsonb'::regtype and a.attnotnull
                   then format('coalesce(r.%I, ''null'')', a.attname)
               else format('r.%I', a.attname) end, ', ' order by a.attnum)
      into v_names, v_values
      from pg_attribute a
     where a.attrelid = ('portal.' || quote_ident(p_table))::regclass
       and a.attnum > 0
       and not a.attisdropped
       and a.attgenerated = '';

    execute format('insert into portal.%1$I (%2$s) overriding system value select %3$s '
        'from pg_temp.town_line l, '
        'lateral jsonb_populate_record(null::portal.%1$I, l.line->''row'') r '
        'where l.line->>''table'' = %1$L', p_table, v_names, v_values) using p_town;
    get diagnostics v_rows = row_count;

    -- numbers go on after those that came
    for v_column in
        select a.attname as name,
               pg_get_serial_sequence('portal.' || quote_ident(p_table), a.attname) as numbers
          from pg_attribute a
         where a.attrelid = ('portal.' || quote_ident(p_table))::regclass
           and a.attidentity <> ''
    loop
        execute format('select setval(%L, greatest((select max(%I) from portal.%I), '
            '(select last_value from %s)))', v_column.numbers, v_column.name, p_table,
            v_column.numbers);
    end loop;

    return v_rows;
end
$$;

comment on function restore_rows(text, int) is
    'Reads in the rows of one table of pg_temp.town_line (line jsonb: export_town()). Input: table, the town''s id here. Result: how many. Part of restore_town().';


create or replace function restore_town() returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town   int := next_town();
    v_rows   bigint;
    v_table  text;
    v_made   text;
    v_here   int := (select max(m.number) from migration m);
begin
    -- a column that is called otherwise here would be left out without a word
    select coalesce(l.line->>'schema', 'unknown') into v_made
      from pg_temp.town_line l
     where l.line->>'table' = 'end';

    if v_made <> v_here::text then
        raise exception using errcode = 'PT422',
            message = format('the export was made by another version (schema %s, here %s)',
                             v_made, v_here),
            hint = 'Read it in with that version, upgrade, and write it out again.';
    end if;

    -- rows come as they were: nothing is to be counted on, told or checked again
    set local session_replication_role = replica;

    v_rows := restore_rows('town', v_town);

    if v_rows <> 1 then
        raise exception using errcode = 'PT422', message = 'this is not the export of a town';
    end if;

    if (select sum((line->>'rows')::bigint) from pg_temp.town_line where line->>'table' = 'end')
           is distinct from (select count(*) from pg_temp.town_line where line->>'table' <> 'end')
    then
        raise exception using errcode = 'PT422',
            message = 'the export is not whole: make it again';
    end if;

    for v_table in select n from town_tables() n loop
        v_rows := v_rows + restore_rows(v_table, v_town);
    end loop;

    if v_rows <> (select count(*) from pg_temp.town_line where line->>'table' <> 'end') then
        raise exception using errcode = 'PT422',
            message = 'the export has tables that this version does not know';
    end if;

    set local session_replication_role = origin;

    -- the town may have gone on since it was written out
    perform come_back(v_town);
    perform setval('change_position',
        greatest((select max(c.position) from change c where c.tenant = v_town),
                 (select p.last_value from change_position p)));

    return json_build_object('status', 201, 'id', v_town, 'rows', v_rows,
        'mails_waiting', (select count(*) from outbox o
                           where o.tenant = v_town and o.state in ('queued', 'sending')));
end
$$;

comment on function restore_town() is
'Reads a town in: what export_town() wrote, in pg_temp.town_line (line jsonb). All or nothing. It gets an id of its own here and keeps all other ids; its audit is chained anew, its sessions end and its versions go on, see come_back(). The key file must have the keys that sealed its values.
Result: {"status": 201, "id", "rows", "mails_waiting": those that may have been sent already, see drop_mails()}. Errors, raised: PT422; 23505 when the town, or its host, is here already.';


create or replace function erase_town(p_slug text, p_name text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town   int := (select t.id from town t where t.slug = p_slug and t.name = p_name);
    v_table  text;
    v_rows   bigint;
    v_all    bigint := 0;
begin
    if v_town is null then
        raise exception using errcode = 'PT404', message = 'no town of that slug and name';
    end if;

    -- requests that are under way end first, and none begins that leaves a trace:
    -- a row that came between two of these deletions would belong to no town
    perform from town t where t.id = v_town for update;

    -- what is not chained yet would leave a hole that nobody could explain
    while exists (select from audit a where a.tenant = v_town and a.chain is null) loop
        perform audit_chain();
    end loop;

    insert into audit_erased (tenant, chain, hash, at)
    select a.tenant, a.chain, a.hash, a.at from audit a where a.tenant = v_town;

    set local session_replication_role = replica;

    -- twice: who held a row that another goes with may have written that other one
    -- in a table that had been gone through already
    for v_table in
        select n from town_tables() n, generate_series(1, 2) time
         where n <> 'audit_erased'
         order by time, n
    loop
        execute format('delete from portal.%I where tenant = $1', v_table) using v_town;
        get diagnostics v_rows = row_count;
        v_all := v_all + v_rows;
    end loop;

    delete from town where id = v_town;

    set local session_replication_role = origin;

    return json_build_object('status', 200, 'rows', v_all);
end
$$;

comment on function erase_town(text, text) is
'Erases a town with all that is held of it; of its audit the links stay, over which that of the others is verified. Not to be taken back: export_town() first. Input: its slug, and its name as who means it writes it. Result: {"status": 200, "rows"}. Errors, raised: PT404. Live sessions end with the next request, as the town is no more; copies in Redis by themselves.';


create or replace function lift_waits(p_slug text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town  int := (select t.id from town t where t.slug = p_slug);
    v_set   text;
begin
    if v_town is null then
        raise exception using errcode = 'PT404', message = 'no such town';
    end if;

    v_set := set_config('portal.tenant', v_town::text, true)
          || set_config('portal.account', '0', true)
          || set_config('portal.family', '0', true)
          || set_config('portal.session', '', true)
          || set_config('portal.request', '', true);

    delete from town_rule r where r.tenant = v_town;
    delete from agent_former f where f.tenant = v_town;
    update agent a set since = '-infinity', since_by = null where a.tenant = v_town;

    perform note('lift_waits', 'ok', 'town', v_town);

    return json_build_object('status', 200);
end
$$;

comment on function lift_waits(text) is
    'Ends the seven days for which what an administrator does alone does not count where two are asked for: rules that were given up, agents who were taken rights or given some. For the operator, who has asked the town in person. Input: the town''s slug.';
