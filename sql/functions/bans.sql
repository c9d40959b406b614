--
-- Who must not collect a child, as agents have recorded it: read and ended by
-- agents alone.
--

set search_path = portal, pg_temp;


create or replace function ban_row(p_ban collect_ban) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_set  change_set;
begin
    select c.* into v_set from change_set c where c.id = p_ban.set_id;

    return (select jsonb_build_object('id', p_ban.id,
                       'child', c.first_name || ' ' || c.last_name,
                       'birth_date', c.birth_date, 'words', p_ban.words,
                       'family_number', f.number, 'family_label', f.label,
                       'recorded_at', p_ban.recorded_at,
                       'recorded_by', agent_name(p_ban.recorded_by),
                       'ended_at', p_ban.ended_at, 'ended_by', agent_name(p_ban.ended_by),
                       'end_reason', p_ban.end_reason, 'holds', p_ban.ended_at is null,
                       'request', case when v_set.id is not null then
                           jsonb_build_object('id', v_set.id, 'number', v_set.number) end,
                       'documents', case when v_set.id is not null
                                         then request_documents(v_set, '') else '[]' end)
              from child c
              left join family f on f.id = p_ban.family_id
             where c.id = p_ban.child_id);
end
$$;

comment on function ban_row(collect_ban) is
    'A recorded ban as agents read it. "documents" and "request" are there as long as the request that it was reported by is kept.';


create or replace function own_ban(p_ban collect_ban) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return is_agents_family(null, p_ban.family_id || array(
               select m.family_id from child_family m where m.child_id = p_ban.child_id));
end
$$;

comment on function own_ban(collect_ban) is
    'Whether a ban is about a child of the agent''s own family, in whichever household.';


create or replace function bans(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_ended    boolean := coalesce(input->>'state', '') = 'ended';
    v_rows     jsonb;
    v_refusal  json;
begin
    perform require_agent();

    v_refusal := coalesce(wrong_filter('etat', nullif(input->>'state', '') = 'ended'),
                          wrong_filter('apres', is_id(input->>'after')));

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_refusal := may_read(false, true);
    perform note('read_bans', read_outcome(v_refusal));

    if v_refusal is not null then
        return v_refusal;
    end if;

    select coalesce(jsonb_agg(ban_row(x.ban) order by (x.ban).id desc), '[]') into v_rows
      from (select b as ban
              from collect_ban b
             where (b.ended_at is not null) = v_ended
               and b.id < coalesce(to_id(input->>'after'), 9223372036854775807)
               and not own_ban(b)
               and agent_sees('child_contact', null, b.child_id)
             order by b.id desc
             limit 51) x;

    return json_build_object('status', 200,
        'bans', (select coalesce(jsonb_agg(r.row order by r.n), '[]')
                   from jsonb_array_elements(v_rows) with ordinality as r (row, n)
                  where r.n <= 50),
        'next', case when jsonb_array_length(v_rows) > 50 then v_rows->49->>'id' end,
        'ended', v_ended);
end
$$;

comment on function bans(jsonb) is
'The recorded bans of the town that the agent sees (agent_sees() of child_contact), but of their own family, the latest first, 50 at a time; the audit says who has read them (read_bans). Input: state (ended: those that hold no more; else those that hold), after (id of the last one seen). Result: {"status": 200, "bans": [ban_row()], "next": id to go on after or null, "ended"}; 422 filter; 429 too_many_readings. For agents.';


create or replace function ban_document(p_ban collect_ban) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_version  text := document_version(to_json(p_ban.id), to_json(p_ban.version));
begin
    return json_build_object('status', 200, 'version', v_version, 'ban', ban_row(p_ban),
        'ends', p_ban.ended_at is null and my_role() in ('validator', 'administrator'),
        'values', json_build_object('version', v_version));
end
$$;

comment on function ban_document(collect_ban) is
    'A recorded ban as a page of its own, with its version: {"status": 200, "version", "ban": ban_row(), "ends": the agent may end it, "values": of the form}.';


create or replace function ban(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_ban      collect_ban;
    v_refusal  json;
begin
    perform require_agent();

    select b.* into v_ban
      from collect_ban b
     where b.id = to_id(input->>'ban')
       and agent_sees('child_contact', null, b.child_id);

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_refusal := may_read(own_ban(v_ban), true);
    perform note('read_ban', read_outcome(v_refusal), 'collect_ban', v_ban.id);

    return coalesce(v_refusal, ban_document(v_ban));
end
$$;

comment on function ban(jsonb) is
    'A recorded ban; the audit says who has read it. Input: ban (its id). Result: ban_document(); 404; 403 own_family; 429 too_many_readings. For agents.';


create or replace function locked_ban(input jsonb, out ban collect_ban, out refusal json)
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_version  text;
    v_stale    json;
begin
    select b.* into ban
      from collect_ban b
     where b.id = to_id(input->>'ban')
       and agent_sees('child_contact', null, b.child_id);

    if ban.id is null then
        refusal := json_build_object('status', 404, 'errors', json_build_array());
        return;
    end if;

    -- the child's families first, as all that is decided about it does
    perform lock_subject(null, ban.child_id, ban.family_id);
    select b.* into ban from collect_ban b where b.id = ban.id for update;

    v_version := ban_document(ban)->>'version';
    v_stale := stale(input, v_version);

    refusal := case
        when own_ban(ban) then refused('', 'own_family', 403)
        when input->>'version' is null
             and jsonb_typeof(input->'_'->'if_match') is distinct from 'array'
            then refused('', 'version_needed', 428)
        when v_stale is not null then v_stale
        when ban.ended_at is not null then refused('', 'ban_ended', 409)
        when input->>'version' <> v_version then refused('', 'request_changed', 409) end;
end
$$;

comment on function locked_ban(jsonb) is
'A ban that an agent means to end: the child and the ban locked, or why not. Input: ban, version of the page (or If-Match). Refusals: 404; 403 own_family; 428 version_needed; 412 version_changed; 409 ban_ended, request_changed.';


create or replace function end_ban(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again   json;
    v_locked  record;
begin
    perform require_agent('validator', 'administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    v_locked := locked_ban(input);

    if v_locked.refusal is not null then
        perform note('end_ban', coalesce(v_locked.refusal->'errors'->0->>'code', 'unknown'),
                     'collect_ban', (v_locked.ban).id);
        return done(input, v_locked.refusal);
    end if;

    update collect_ban b
       set ended_at = now(), ended_by = my_agent(), end_reason = input->>'reason',
           version = b.version + 1
     where b.id = (v_locked.ban).id;
    perform note('end_ban', 'ok', 'collect_ban', (v_locked.ban).id);

    return done(input, moved('/interdictions/' || (v_locked.ban).id, null, 'ban_ended'));
end
$$;

comment on function end_ban(jsonb) is
'Ends a recorded ban: from now on it holds no more, and stays known as one that held. Input: ban, reason, version of the page or If-Match; idempotency key. Result: moved to the ban; see locked_ban() for refusals. For validators and administrators.';


create or replace function child_bans(p_child bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(json_build_object('id', b.id, 'words', b.words,
                       'recorded_at', b.recorded_at) order by b.id), '[]')
              from collect_ban b
             where b.child_id = p_child
               and b.ended_at is null
               and agent_sees('child_contact', null, b.child_id));
end
$$;

comment on function child_bans(bigint) is
    'The bans that hold for a child, for who decides a request about it and sees bans, as agent_sees() says: [{"id", "words", "recorded_at"}].';


grant execute on function bans(jsonb), ban(jsonb), end_ban(jsonb) to portal_web;
