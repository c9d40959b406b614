--
-- How long a town keeps what, as its administrators read it at /durees.
--

set search_path = portal, pg_temp;


create or replace function periods(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_town  town;
    v_days  jsonb;
begin
    perform require_agent('administrator');

    select t.* into v_town from town t where t.id = here();
    v_days := jsonb_build_object('account_unconfirmed', v_town.keep_unconfirmed,
        'account_warned', v_town.keep_inactive - 30,
        'account_inactive', v_town.keep_inactive, 'account_closed', v_town.keep_closed,
        'subscription', v_town.keep_closed, 'code', v_town.keep_audit,
        'change_set', v_town.keep_request, 'collect_ban', v_town.keep_request,
        'document', coalesce(v_town.keep_document, v_town.keep_request),
        'child_pai', coalesce(v_town.keep_document, v_town.keep_request),
        'photo', v_town.keep_photo, 'removed', v_town.keep_photo, 'audit', v_town.keep_audit,
        'outbox', v_town.keep_mail, 'session', v_town.keep_session,
        'token', v_town.keep_token, 'attempt', v_town.keep_attempt, 'device', 90,
        'code_copy', 30, 'import', 365, 'webhook_message', 14);

    return json_build_object('status', 200, 'approval', lists_first(v_town),
        'periods', (select json_agg(json_build_object('purge_kind', k.kind,
                               'period', period(greatest((v_days->>k.kind)::int, 1)),
                               'counted', d.due is not null, 'due', d.due,
                               'due_most', coalesce(d.due = 1000, false),
                               'last_at', r.last_at, 'rows', r.rows)
                               order by k.n)
            from unnest(array['account_unconfirmed', 'account_warned', 'account_inactive',
                              'account_closed', 'subscription', 'change_set',
                              'collect_ban', 'document',
                              'child_pai', 'photo', 'removed', 'audit', 'outbox', 'session',
                              'token', 'attempt', 'device', 'code_copy', 'code', 'import', 'webhook_message'])
                 with ordinality as k (kind, n)
           cross join lateral (select case
                when k.kind like 'account%'
                then (select count(*) from due_accounts(k.kind, v_town, 1000))
                when k.kind = 'change_set'
                then (select count(*) from due_requests(v_town, 1000, 'all')) end) d (due)
            left join lateral (select max(x.at), sum(x.rows)
                                 from retention_run x
                                where x.at >= now() - interval '30 days'
                                  -- files are erased together, whichever they were
                                  and x.kind = case when k.kind in ('document', 'photo')
                                                    then 'upload' else k.kind end)
                 r (last_at, rows) on true));
end
$$;

comment on function periods(jsonb) is
'How long the town keeps what, what of accounts and requests the next purge will take, and what it has erased. Result: {"status": 200, "approval": requests, files and bans wait for an approved list, "periods": [{"purge_kind", "period": period(), "counted", "due": how many the next purge takes, 1000 at most, null where that is not counted, "due_most": there may be more, "last_at", "rows": erased in the last 30 days; of documents and photos together}]}. Counts only. For administrators.';


grant execute on function periods(jsonb) to portal_web;
