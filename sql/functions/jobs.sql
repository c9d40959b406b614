--
-- Jobs that cross the towns.
--

set search_path = portal, pg_temp;


create or replace function purge(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_attempts     bigint;
    v_captchas     bigint;
    v_tokens       bigint;
    v_idempotency  bigint;
    v_accounts     bigint;
    v_sessions     bigint;
    v_mails        bigint;
begin
    delete from attempt where last_at < now() - interval '2 days';
    get diagnostics v_attempts = row_count;

    delete from captcha_used where expires < now();
    get diagnostics v_captchas = row_count;

    -- kept a while, so that an old link can say that it is used or too old
    delete from token where expires_at < now() - interval '30 days';
    get diagnostics v_tokens = row_count;

    delete from idempotency where created_at < now() - interval '24 hours';
    get diagnostics v_idempotency = row_count;

    delete from account where state = 'unconfirmed' and signed_up_at < now() - interval '7 days';
    get diagnostics v_accounts = row_count;

    delete from session where absolute_until < now() - interval '30 days';
    get diagnostics v_sessions = row_count;

    delete from outbox where done_at < now() - interval '30 days';
    get diagnostics v_mails = row_count;

    return json_build_object('status', 200, 'attempts', v_attempts,
        'captchas', v_captchas, 'tokens', v_tokens, 'idempotency', v_idempotency,
        'accounts', v_accounts, 'sessions', v_sessions, 'mails', v_mails);
end
$$;

comment on function purge(jsonb) is
'Deletes what has had its time: attempts after 2 days, captchas when over, idempotency keys after 24 hours, accounts never confirmed after 7 days, and 30 days after their end tokens, sessions and mails.
Result: {"status": 200} and how many of each. For portal_jobs, once an hour or so.';


create or replace function audit_chain(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_row    audit;
    v_chain  bigint;
    v_hash   bytea;
    v_count  int := 0;
begin
    if not pg_try_advisory_xact_lock(7706737706) then
        return json_build_object('status', 200, 'chained', 0);
    end if;

    select a.chain, a.hash into v_chain, v_hash
      from audit a
     where a.chain is not null
     order by a.chain desc
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

    return json_build_object('status', 200, 'chained', v_count);
end
$$;

comment on function audit_chain(jsonb) is
'Chains the committed rows of the audit that are not yet: each takes the hash before it into its own. One caller at a time.
Result: {"status": 200, "chained": how many}. For portal_jobs, every few seconds.';


create or replace function audit_hash(p_row audit, p_chain bigint, p_before bytea)
    returns bytea
    language sql immutable
    return sha256(p_before || convert_to(jsonb_build_array(p_chain, p_row.tenant, p_row.id,
        extract(epoch from p_row.at), p_row.account_id, p_row.family_id, p_row.action,
        p_row.outcome, p_row.object, p_row.object_id, p_row.request)::text, 'UTF8'));

comment on function audit_hash(audit, bigint, bytea) is
    'Hash of a row of the audit at its place in the chain, after the hash before it.';


create or replace function audit_verify(input jsonb default '{}') returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_row     audit;
    v_chain   bigint := 0;
    v_before  bytea := decode(repeat('00', 32), 'hex');
begin
    for v_row in
        select a.* from audit a where a.chain is not null order by a.chain
    loop
        v_chain := v_chain + 1;

        if v_row.chain <> v_chain
           or v_row.hash <> audit_hash(v_row, v_chain, v_before)
        then
            return json_build_object('status', 409, 'rows', v_chain - 1, 'bad', v_row.id);
        end if;

        v_before := v_row.hash;
    end loop;

    return json_build_object('status', 200, 'rows', v_chain, 'bad', null);
end
$$;

comment on function audit_verify(jsonb) is
'Checks the chain of the audit from its start. Result: {"status": 200, "rows": length, "bad": null}, or 409 with the id of the first row that is not what it was. For portal_jobs.';


grant execute on function purge(jsonb), audit_chain(jsonb), audit_verify(jsonb)
   to portal_jobs;
