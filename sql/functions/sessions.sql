--
-- Sessions as their owner sees them: who is logged in, for how long, where.
--

set search_path = portal, pg_temp;


create or replace function session_limits(input jsonb) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_idle       int := (input->'_'->>'idle')::int;
    v_idle_left  int := (input->'_'->>'idle_left')::int;
    v_until      timestamptz;
    v_left       int;
begin
    select s.absolute_until into v_until
      from session s
     where s.hash = decode(nullif(current_setting('portal.session'), ''), 'hex');

    v_left := greatest(floor(extract(epoch from v_until - now())), 0);

    return json_build_object('idle', v_idle,
        'absolute_until', to_char(v_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'left', least(v_left, v_idle_left),
        'ends', case when v_idle_left < v_left then 'idle' else 'absolute' end,
        'warning', least(120, v_idle / 2));
end
$$;

comment on function session_limits(jsonb) is
'How long the session of this transaction still lasts. Input: _.idle (seconds without a use that end it), _.idle_left (how many of them are left, null when not known).
Result: {"idle", "absolute_until": when it ends in any case, "left": seconds, "ends": what comes first, idle or absolute, "warning": seconds before the end at which to warn}.';


create or replace function my_session(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_result  json;
begin
    select json_build_object('status', 200, 'signed_in', true, 'account', a.id,
               'name', a.first_name || ' ' || a.last_name,
               'roles', case when f.id is null then json_build_array('citizen')
                             else json_build_array('citizen', 'family') end,
               'family', case when f.id is not null
                              then json_build_object('id', f.id, 'number', f.number,
                                                     'label', f.label) end,
               'limits', session_limits(input),
               'back', coalesce(local_path(case
                   when starts_with(input->>'back', t.origin || '/')
                   then substr(input->>'back', length(t.origin) + 1) end), '/mon-espace'))
      into v_result
      from account a
      join town t on t.id = a.tenant
      left join family f on f.tenant = a.tenant and f.id = my_family()
     where a.id = me();

    return coalesce(v_result, json_build_object('status', 200, 'signed_in', false,
        'account', null, 'name', null, 'roles', json_build_array(), 'family', null,
        'limits', null, 'back', '/'));
end
$$;

comment on function my_session(jsonb) is
'Who is logged in and for how long; asking is no use of the session. Input: back (address of the page to return to); _.idle and _.idle_left as session_limits.
Result: {"status": 200, "signed_in", "account": id, "name", "roles": [citizen, family], "family": {"id", "number", "label"} or null, "limits": as session_limits, "back"}; nobody: false, nulls and [].';


create or replace function prolong(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return json_build_object('status', 303,
        'location', coalesce(local_path(input->>'path'), '/mon-espace'),
        'session', json_build_object('effect', 'prolong'), 'errors', json_build_array(),
        'limits', session_limits(input));
end
$$;

comment on function prolong(jsonb) is
'« Prolonger »: the last use of the session is now. Input: path to return to; _.idle and _.idle_left as session_limits.
Result: 303 path with session prolong, and "limits" as they are then.';


create or replace function session_owner(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return json_build_object('status', 200, 'account',
        (select s.account_id
           from session s
          where s.hash = decode(input->>'session_mac', 'hex')));
end
$$;

comment on function session_owner(jsonb) is
'Whose a session was, though it may have ended; for nginx, never shown. Input: session_mac. Result: {"status": 200, "account": id or null}.';


grant execute on function my_session(jsonb), prolong(jsonb), session_owner(jsonb)
   to portal_web;
