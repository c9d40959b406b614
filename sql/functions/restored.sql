--
-- What has to be done when data come back as they were at an earlier moment: from
-- a dump, from archived WAL, from the export of a town, or with a standby that
-- lacked the last moments.  What was given out since, and is known to somebody
-- still (a session, a version, a number), must not come to mean something else.
--

set search_path = portal, pg_temp;


create or replace function come_back(p_town int) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- nothing of this is a change that somebody made
    set local session_replication_role = replica;

    -- who logged out since is not to be let in again
    update session set ended_at = now() where tenant = p_town and ended_at is null;
    update agent_session set ended_at = now() where tenant = p_town and ended_at is null;

    -- what an administrator has agreed to may have been opened since
    update mass_export set expires_at = now()
     where tenant = p_town and expires_at > now();

    -- workers, browsers and open forms hold later ones than these
    update town set version = version + 1000000 where id = p_town;
    update family set version = version + 1000000 where tenant = p_town;
    update change_set set version = version + 1000 where tenant = p_town;
    update collect_ban set version = version + 1000 where tenant = p_town;
    update family_document
       set version = 0, head = null, viewers = '{}', guardians = '{}', children = null
     where tenant = p_town and version <> 0;

    -- so do mails, and programs that were told of an import; what is numbered without
    -- a gap goes on as it was
    insert into town_number as n (tenant, kind, last)
    select p_town, c.relname, 1000
      from pg_trigger t
      join pg_class c on c.oid = t.tgrelid
                     and c.relnamespace = 'portal'::regnamespace
     where t.tgname = 'numbered_id'
        on conflict (tenant, kind) do update set last = n.last + excluded.last;

    set local session_replication_role = origin;
end
$$;

comment on function come_back(int) is
    'Ends the sessions of a town, and what was agreed to and not opened, and moves its versions and ids past all that were given out since the moment that its data are of. Needs a superuser. Part of restored() and restore_town().';


create or replace function restored() returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town    record;
    v_number  record;
    v_towns   int := 0;
begin
    for v_town in select t.id from town t order by t.id loop
        perform come_back(v_town.id);
        insert into audit (tenant, action, outcome) values (v_town.id, 'restored', 'ok');
        v_towns := v_towns + 1;
    end loop;

    -- addresses in mails, places that a reader of the feed holds
    for v_number in
        select s.sequencename as name, s.last_value as last,
               case s.data_type when 'bigint'::regtype then 1000000 else 1000 end as step
          from pg_sequences s
         where s.schemaname = 'portal' and s.last_value is not null
    loop
        perform setval(format('portal.%I', v_number.name), v_number.last + v_number.step);
    end loop;

    return json_build_object('status', 200, 'towns', v_towns,
        'mails_waiting', (select count(*) from outbox o where o.state in ('queued', 'sending')),
        'audit', audit_verify());
end
$$;

comment on function restored() is
'To be called once when the whole database has come back to an earlier moment, while no nginx uses it: ends all sessions, moves versions, ids and places of the feed past what was given out since, and says so in the journal of each town. Needs a superuser.
Result: {"status": 200, "towns": how many, "mails_waiting": those that may have been sent already, "audit": audit_verify()}. Twice does no harm.';


create or replace function drop_mails(p_town int default null) returns bigint
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_rows  bigint;
begin
    update outbox
       set state = 'expired', token_sealed = null, lease_until = null, done_at = now()
     where state in ('queued', 'sending')
       and (p_town is null or tenant = p_town);
    get diagnostics v_rows = row_count;

    return v_rows;
end
$$;

comment on function drop_mails(int) is
    'Lets the mails that wait not be sent: those of a dump, or of a town''s export, have mostly been. Input: the town; null: of all. Result: how many.';
