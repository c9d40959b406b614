--
-- Jobs that cross the towns.
--

set search_path = portal, pg_temp;


create or replace function audit_chain(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_row    audit;
    v_chain  bigint;
    v_hash   bytea;
    v_count  int := 0;
    v_note   text;
begin
    if not pg_try_advisory_xact_lock(7706737706) then
        return json_build_object('status', 200, 'chained', 0, 'note', null,
            'more', false);
    end if;

    select l.chain, l.hash into v_chain, v_hash
      from ((select a.chain, a.hash
               from audit a
              where a.chain is not null
              order by a.chain desc
              limit 1)
             union all
            (select e.chain, e.hash
               from audit_erased e
              order by e.chain desc
              limit 1)) l
     order by l.chain desc
     limit 1;

    v_chain := coalesce(v_chain, 0);
    v_hash := coalesce(v_hash, decode(repeat('00', 32), 'hex'));

    for v_row in
        select a.* from audit a where a.chain is null order by a.id limit 5000
    loop
        v_chain := v_chain + 1;
        v_hash := audit_hash(v_row, v_chain, v_hash);
        v_count := v_count + 1;

        update audit a
           set chain = v_chain, hash = v_hash
         where a.tenant = v_row.tenant and a.id = v_row.id;
    end loop;

    v_note := concat_ws('; ', audit_told(v_chain, v_hash, (input->>'every')::int),
                        audit_walk(1000));

    return json_build_object('status', 200, 'chained', v_count,
        'note', nullif(v_note, ''), 'more', v_count = 5000);
end
$$;

comment on function audit_chain(jsonb) is
'Chains the committed rows of the audit that are not yet: each takes the hash before it into its own; then verifies a piece of what was chained before. One caller at a time. Input: every: seconds between two runs.
Result: {"status": 200, "chained": how many, "note": audit_told(), audit_walk(), "more": call again}. For portal_jobs, every few seconds.';


create or replace function audit_walk(p_limit int) returns text
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_round   job;
    v_link    record;
    v_before  record;
    v_count   int := 0;
    v_bad     bigint;
begin
    select j.* into v_round from job j where j.name = 'audit_round';

    -- a round a day: at its end the place is 0
    if v_round.mark = 0 and v_round.ran_at > now() - interval '1 day' then
        return null;
    elsif v_round.mark = 0 then
        v_round.ran_at := now();
    end if;

    select l.chain, l.hash into v_before
      from (select a.chain, a.hash from audit a where a.chain = v_round.mark
             union all
            select e.chain, e.hash from audit_erased e where e.chain = v_round.mark) l;

    for v_link in
        select l.*
          from ((select a.chain, a.hash, a as row, a.id
                   from audit a
                  where a.chain > v_round.mark
                  order by a.chain
                  limit p_limit)
                 union all
                (select e.chain, e.hash, null, null
                   from audit_erased e
                  where e.chain > v_round.mark
                  order by e.chain
                  limit p_limit)) l
         order by l.chain
         limit p_limit
    loop
        -- before the first link nothing is known, but that the chain began at 1
        -- or at the link of a row that was erased in its time
        if v_bad is null
           and (v_before.chain is not null and v_link.chain <> v_before.chain + 1
                or v_before.chain is null and v_link.id is not null and v_link.chain <> 1
                or v_link.id is not null
                   and v_link.hash <> audit_hash(v_link.row, v_link.chain,
                           coalesce(v_before.hash, decode(repeat('00', 32), 'hex'))))
        then
            v_bad := v_link.chain;
        end if;

        select v_link.chain, v_link.hash into v_before;
        v_count := v_count + 1;
    end loop;

    update job j
       set mark = v_bad, ran_at = clock_timestamp()
     where j.name = 'audit_broken'
       and v_bad is not null
       and (j.mark = 0 or j.ran_at < v_round.ran_at);

    if v_count = p_limit then
        update job j
           set mark = v_before.chain, ran_at = v_round.ran_at
         where j.name = 'audit_round';
    else
        -- the end: what an earlier round has found may have been put right
        update job j set mark = 0, ran_at = v_round.ran_at where j.name = 'audit_round';
        update job j
           set mark = 0
         where j.name = 'audit_broken' and j.ran_at < v_round.ran_at;
        update job j
           set mark = coalesce(v_before.chain, 0), ran_at = now()
         where j.name = 'audit_verified';
    end if;

    return case when v_bad is not null
                then 'the audit is not what it was at place ' || v_bad end;
end
$$;

comment on function audit_walk(int) is
'Verifies the next links of the chain, each against the one before it as it stands, so that what is known of a round is a place; one round a day. Input: how many links. Result: words for the log where a link does not hold, else null. The caller holds the chain''s lock.';


create or replace function audit_told(p_chain bigint, p_hash bytea, p_every int) returns text
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update job j
       set ran_at = now(), mark = p_chain
     where j.name = 'audit_head'
       and j.mark <> p_chain
       and j.ran_at <= now() - make_interval(secs => 720 * p_every);

    return case when found then
        'the audit ends with ' || p_chain || ':' || encode(p_hash, 'hex') end;
end
$$;

comment on function audit_told(bigint, bytea, int) is
    'What the log is told of the chain''s end, so that a copy of the log elsewhere knows it: when it has moved, once in 720 runs at most, an hour of runs every 5 s. Input: place and hash of the last link, seconds between two runs (null: who asks keeps no log). Result: the words, or null. The caller holds the chain''s lock.';


create or replace function audit_hash(p_row audit, p_chain bigint, p_before bytea)
    returns bytea
    language sql immutable
    return sha256(p_before || convert_to((jsonb_build_array(p_chain, p_row.tenant, p_row.id,
        extract(epoch from p_row.at), p_row.account_id, p_row.family_id, p_row.action,
        p_row.outcome, p_row.object, p_row.object_id, p_row.request)
        -- of what an agent did, who, and which settings they changed; rows of before
        -- there were any keep their hash
        || case when p_row.agent_id is null then '[]'
                else jsonb_build_array(p_row.agent_id) end
        || case when p_row.names is null then '[]'
                else jsonb_build_array(to_jsonb(p_row.names)) end)::text, 'UTF8'));

comment on function audit_hash(audit, bigint, bytea) is
    'Hash of a row of the audit at its place in the chain, after the hash before it.';


create or replace function audit_verify(input jsonb default '{}') returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_asked   text[] := regexp_match(input->>'head', '^(\d{1,18}):([0-9a-f]{64})$');
    v_head    text;
    v_link    record;
    v_rows    bigint := 0;
    v_chain   bigint;
    v_before  bytea := decode(repeat('00', 32), 'hex');
begin
    if input ? 'head' and v_asked is null then
        return json_build_object('status', 422, 'errors', json_build_array(
            json_build_object('field', 'head', 'code', 'format')));
    end if;

    for v_link in
        select a.chain, a.hash, a as row, a.id from audit a where a.chain is not null
         union all
        select e.chain, e.hash, null, null from audit_erased e
         order by chain
    loop
        -- what was told before the first link that is still kept
        if v_chain is null and v_asked[1]::bigint < v_link.chain then
            v_head := 'older';
        end if;

        -- where rows were erased in their time the chain begins at their last link
        v_chain := coalesce(v_chain + 1,
                            case when v_link.id is null then v_link.chain else 1 end);

        if v_link.chain <> v_chain
           or (v_link.id is not null
               and v_link.hash <> audit_hash(v_link.row, v_chain, v_before))
        then
            return json_build_object('status', 409, 'rows', v_rows, 'bad', v_link.id,
                                     'head', null);
        end if;

        if v_chain = v_asked[1]::bigint and v_link.hash = decode(v_asked[2], 'hex') then
            v_head := 'there';
        end if;

        v_rows := v_rows + (v_link.id is not null)::int;
        v_before := v_link.hash;
    end loop;

    -- cut off, or made anew from there on
    if v_asked is not null then
        v_head := coalesce(v_head, 'missing');
    end if;

    return json_build_object('status', case v_head when 'missing' then 409 else 200 end,
                             'rows', v_rows, 'bad', null, 'head', v_head);
end
$$;

comment on function audit_verify(jsonb) is
'Checks the chain of the audit from its start, over the links of rows that were erased in their time. Input: head: an end that the log was told, "PLACE:HASH" (may be left out).
Result: {"status": 200, "rows": how many were checked, "bad": null, "head": there, older (than all that is still kept), null (none was given)}, or 409 with the id of the first row that is not what it was, or with "head": missing when what was the end is no more in the chain: later rows were cut off; 422 for a head that is none. For portal_jobs.';


grant execute on function audit_chain(jsonb), audit_verify(jsonb)
   to portal_jobs;
