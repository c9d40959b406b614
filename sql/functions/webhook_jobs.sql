--
-- Webhooks: what there is to tell is found, taken to be sent and noted, by the
-- jobs; webhooks.sql is what administrators do with them.
--

set search_path = portal, pg_temp;


create or replace function webhook_note(p_outcome text, p_webhook bigint) returns void
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    perform note('webhook', p_outcome, 'webhook', p_webhook);
end
$$;

comment on function webhook_note(text, bigint) is
    'note() for the jobs. Input: what became of it (failing, gone), the webhook.';


create or replace function webhook_warn(p_webhook bigint, p_template text) returns void
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    perform post(gen_random_uuid(), a.email, a.email_mac, p_template, 'fr',
                 jsonb_build_object('origin', t.agent_origin, 'webhook', w.id,
                     'since', w.trouble_since))
       from webhook w
       join town t on t.id = w.tenant
       join agent a on a.tenant = w.tenant
                   and a.role = 'administrator'
                   and a.state = 'active'
      where w.tenant = here()
        and w.id = p_webhook;
end
$$;

comment on function webhook_warn(bigint, text) is
    'Tells the town''s administrators by mail of a webhook in trouble, not which address it has. Input: the webhook, the mail: webhook_late (for some hours) or webhook_over (nothing is sent any more).';


create or replace function webhook_delay(p_tries int) returns interval
    language sql volatile
    return (array['10 seconds', '1 minute', '5 minutes', '30 minutes', '2 hours', '5 hours',
                  '10 hours', '14 hours', '20 hours', '20 hours']::interval[])[p_tries]
           * (0.9 + random() * 0.2);

comment on function webhook_delay(int) is
    'How long to wait after so many sendings in vain: 10 seconds to 20 hours, three days in all, a tenth more or less so that not all come at once. Null: it is given up.';


-- finding -----------------------------------------------------------------

create or replace function webhook_news(p_town int) returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_last   bigint;
    v_count  int;
    v_more   int;
begin
    perform import_enter(p_town);

    -- a place is given after the commit, so that nothing is told of too early,
    -- and nothing that was committed late is passed over
    if exists (select from change c where c.tenant = p_town and c.position is null) then
        perform place_changes();
    end if;

    select coalesce(max(c.position), 0) into v_last from change c where c.tenant = p_town;

    with news as (
        update webhook w
           set told = v_last
         where (w.tenant, w.id) in (
                   select n.tenant, n.id
                     from webhook n
                    where n.tenant = p_town
                      and n.state <> 'stopped'
                      and 'changes.accepted' = any (n.events)
                      and n.told < v_last
                      for update skip locked)
        returning w.id)
    insert into webhook_message (tenant, webhook_id, event)
    select p_town, n.id, 'changes.accepted' from news n
        on conflict do nothing;

    get diagnostics v_count = row_count;

    insert into webhook_message (tenant, webhook_id, event, subject)
    select p_town, w.id, 'import.report', i.id || ':' || i.state
      from webhook w
      join import i on i.tenant = w.tenant
                   and i.state in ('checked', 'done', 'failed')
                   and coalesce(i.finished_at, i.worked_at)
                       > greatest(w.created_at, now() - interval '1 day')
     where w.tenant = p_town
       and w.state <> 'stopped'
       and 'import.report' = any (w.events)
       and not exists (select from webhook_message m
                        where m.tenant = w.tenant and m.webhook_id = w.id
                          and m.event = 'import.report' and m.subject = i.id || ':' || i.state)
        on conflict do nothing;

    get diagnostics v_more = row_count;
    return v_count + v_more;
end
$$;

comment on function webhook_news(int) is
    'Queues what a town''s webhooks are to be told by now. A message that was never sent tells of what comes after it, too, so that there is one of a kind; one that was sent may have been read before, and another follows. Input: the town. Result: how many messages.';


create or replace function webhook_work(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_town  int;
begin
    if not pg_try_advisory_xact_lock(7706737709) then
        return json_build_object('status', 200, 'note', null, 'more', false);
    end if;

    -- a former secret is kept no longer than it signs
    update webhook w
       set former = null, former_id = null, former_until = null
     where w.former_until <= now();

    for v_town in
        select distinct w.tenant from webhook w where w.state <> 'stopped' order by w.tenant
    loop
        begin
            perform webhook_news(v_town);
        exception when lock_not_available then
            null;   -- the next time; other towns do not wait for this one
        end;
    end loop;

    return json_build_object('status', 200, 'note', null, 'more', false);
end
$$;

comment on function webhook_work(jsonb) is
    'Looks in each town for what its webhooks are to be told. One caller at a time. Input: every (not used). Result: {"status": 200, "note": null, "more": false}. For portal_jobs.';


-- sending -----------------------------------------------------------------

create or replace function webhook_body(p_message webhook_message) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return json_build_object('type', p_message.event,
        'timestamp', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'data', case p_message.event
            when 'changes.accepted' then json_build_object('cursor', (
                select w.told
                  from webhook w
                 where w.tenant = p_message.tenant and w.id = p_message.webhook_id))
            when 'import.report' then json_build_object(
                'import', split_part(p_message.subject, ':', 1),
                'state', split_part(p_message.subject, ':', 2))
            else '{}'::json end)::text;
end
$$;

comment on function webhook_body(webhook_message) is
    'What is sent: {"type": the event, "timestamp", "data"}: of changes.accepted {"cursor": the last place of the feed}, of import.report {"import": its id, "state": checked, done or failed}, of webhook.test {}. Nothing of a person.';


create or replace function webhook_claim(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_row      record;
    v_message  webhook_message;
    v_rows     json[] := '{}';
begin
    -- one message at a time for each; the oldest, but a test does not wait
    for v_row in
        select w.*, t.slug, gen_random_uuid() as taken
          from webhook w
          join town t on t.id = w.tenant
         where (w.lease_until is null or w.lease_until <= now())
           and w.state = 'active'
           and exists (select from webhook_message m
                        where m.tenant = w.tenant and m.webhook_id = w.id
                          and m.state = 'queued'
                          and (w.next_try <= now() or m.event = 'webhook.test'))
         order by w.next_try
         limit least(greatest(coalesce((input->>'limit')::int, 1), 1), 16)
           for update of w skip locked
    loop
        update webhook_message m
           set attempts = m.attempts + 1, tries = m.tries + 1,
               body = coalesce(m.body, webhook_body(m))
         where (m.tenant, m.id) = (
                   select n.tenant, n.id
                     from webhook_message n
                    where n.tenant = v_row.tenant and n.webhook_id = v_row.id
                      and n.state = 'queued'
                    order by n.event = 'webhook.test' desc, n.number
                    limit 1)
        returning m.* into v_message;

        -- whose lease was over has said meanwhile how the last one ended
        continue when not found;

        update webhook w
           set lease = v_row.taken,
               lease_until = now() + make_interval(secs =>
                   least(greatest(coalesce((input->>'lease')::int, 60), 5), 600))
         where w.tenant = v_row.tenant and w.id = v_row.id;

        v_rows := v_rows || json_build_object('tenant', v_row.slug, 'webhook', v_row.id,
            'id', v_message.id, 'lease', v_row.taken, 'url', v_row.url,
            'body', v_message.body, 'secrets', case
                when v_row.former_until > now() then json_build_array(
                    json_build_object('id', v_row.seal_id, 'sealed', v_row.secret),
                    json_build_object('id', v_row.former_id, 'sealed', v_row.former))
                else json_build_array(
                    json_build_object('id', v_row.seal_id, 'sealed', v_row.secret)) end);
    end loop;

    return array_to_json(v_rows);
end
$$;

comment on function webhook_claim(jsonb) is
'Takes messages to send, of all towns, one for each webhook that nobody sends to. Input: {"limit": 1..16, "lease": seconds}. Another caller may take the same once the lease is over.
Result: [{"tenant": slug, "webhook", "id": webhook-id, "lease", "url", "body", "secrets": [{"id", "sealed"}], sealed for kind and field webhook and secret of that id; it is signed with each}]. For portal_jobs.';


create or replace function webhook_done(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_outcome  text := input->>'outcome';
    v_message  webhook_message;
    v_webhook  webhook;
    v_wait     interval;
    v_over     text;
    v_since    timestamptz;
    v_mail     text;
begin
    select w.* into v_webhook
      from webhook w
     where w.lease = (input->>'lease')::uuid
       for update;

    select m.* into v_message
      from webhook_message m
     where m.tenant = v_webhook.tenant
       and m.webhook_id = v_webhook.id
       and m.id = (input->>'id')::uuid
       and m.state = 'queued';

    if not found then
        return json_build_object('status', 404, 'state', null);
    end if;

    insert into webhook_attempt (tenant, message_id, number, outcome, status, detail, ms)
    values (v_message.tenant, v_message.id, v_message.attempts, v_outcome,
            nullif((input->>'status')::int, 0), nullif(input->>'detail', ''),
            (input->>'ms')::int);

    -- a test is sent once: who asked for it looks what became of it
    v_wait := case when v_outcome = 'retry' and v_message.event <> 'webhook.test'
                   then webhook_delay(v_message.tries) end;
    v_over := case when v_webhook.state <> 'active' then null
                   when v_outcome = 'gone' then 'gone'
                   when v_outcome = 'retry' and v_wait is null
                        and v_message.event <> 'webhook.test' then 'failing' end;

    -- a test in vain is seen by who made it
    v_since := case when v_outcome = 'delivered' then null
                    when v_message.event = 'webhook.test' and v_over is null
                    then v_webhook.trouble_since
                    else coalesce(v_webhook.trouble_since, now()) end;
    v_mail := case when v_over is not null then 'webhook_over'
                   when v_webhook.warned_at is null and v_webhook.state = 'active'
                        and v_since <= now() - interval '2 hours' then 'webhook_late' end;

    update webhook_message m
       set state = case when v_outcome = 'delivered' then 'delivered'
                        when v_wait is null then 'failed' else m.state end,
           done_at = case when v_wait is null then now() end
     where m.tenant = v_message.tenant and m.id = v_message.id
    returning m.* into v_message;

    update webhook w
       set lease = null, lease_until = null,
           next_try = case when v_outcome = 'delivered' then now()
                           when v_wait is not null then now() + v_wait
                           else w.next_try end,
           state = coalesce(v_over, w.state),
           state_at = case when v_over is null then w.state_at else now() end,
           trouble_since = v_since,
           warned_at = case when v_since is null then null
                            when v_mail is not null then now() else w.warned_at end
     where w.tenant = v_webhook.tenant and w.id = v_webhook.id;

    if v_mail is not null then
        perform import_enter(v_webhook.tenant);
        perform webhook_warn(v_webhook.id, v_mail);
    end if;

    if v_over is not null then
        perform webhook_note(v_over, v_webhook.id);
    end if;

    return json_build_object('status', 200, 'state', v_message.state, 'over', v_over);
end
$$;

comment on function webhook_done(jsonb) is
'Says what became of a message that was taken. Input: {"id", "lease", "outcome": delivered | retry | gone, "status": what was answered or 0, "detail": why nothing was, "ms"}. retry waits as webhook_delay() says, at last the webhook is failing; gone ends it at once. A delivery brings the next message forward. Who administers the town is told by mail once when nothing was received for two hours (webhook_late), and when the webhook is failing or gone (webhook_over).
Result: {"status": 200, "state": of the message, "over": failing or gone when that is new}; 404 when the lease is another''s. For portal_jobs.';


-- counting ----------------------------------------------------------------

create or replace function webhook_stats() returns json
    language sql stable
begin atomic
    select json_build_object(
               'active', count(*) filter (where w.state = 'active'
                                            and w.trouble_since is null),
               'late', count(*) filter (where w.state = 'active'
                                          and w.trouble_since is not null),
               'stopped', count(*) filter (where w.state = 'stopped'),
               'failing', count(*) filter (where w.state = 'failing'),
               'gone', count(*) filter (where w.state = 'gone'),
               'waiting', coalesce(sum(q.waiting), 0),
               'oldest', coalesce(extract(epoch from now() - min(q.oldest)), 0)::bigint)
      from webhook w
      left join lateral (
            select count(*) as waiting, min(m.created_at) as oldest
              from webhook_message m
             where m.tenant = w.tenant and m.webhook_id = w.id
               and m.state = 'queued'
               and w.state <> 'stopped') q on true;
end;

comment on function webhook_stats() is
    'The webhooks of all towns: {"active": those that are well, "late": whose last message was not received, "stopped", "failing", "gone": how many, "waiting": messages for those that are not stopped, "oldest": age in seconds of the oldest of them}.';


grant execute on function webhook_work(jsonb), webhook_claim(jsonb), webhook_done(jsonb)
   to portal_jobs;
