--
-- What the town's software says, compared with the file of the families, and
-- written into it.  The same function does both, so that a dry run never says
-- something else than the run.
--

set search_path = portal, pg_temp;


create or replace function import_merge(p_import bigint, p_write boolean, p_limit int)
    returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    return json_build_object('lines', 0, 'left', false, 'counts', json_build_object());
end
$$;

comment on function import_merge(bigint, boolean, int) is
    'Plans the next lines of an import, or applies them.';


create or replace function take_imported(p_conflict bigint) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    return null;
end
$$;

comment on function take_imported(bigint) is
    'Writes what the software says of a conflict into the file.';


create or replace function import_work(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    return json_build_object('status', 200, 'note', null, 'more', false);
end
$$;

comment on function import_work(jsonb) is
    'Checks and applies what has been read. Input: every (seconds between two runs). Result: {"status": 200, "note", "more": call again}. For portal_jobs.';


grant execute on function import_work(jsonb) to portal_jobs;
