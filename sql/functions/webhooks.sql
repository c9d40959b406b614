--
-- Webhooks as the town's administrators see and set them.
--

set search_path = portal, pg_temp;


create or replace function webhook_events(p_choice text) returns text[]
    language sql immutable
    return case p_choice when 'changes' then '{changes.accepted}'::text[]
                         when 'imports' then '{import.report}'
                         when 'both' then '{changes.accepted,import.report}' end;

comment on function webhook_events(text) is
    'What a webhook is told of, by what its form says: changes, imports or both.';


create or replace function webhook_trouble(p_webhook webhook) returns jsonb
    language sql stable
begin atomic
    select jsonb_build_object('since', p_webhook.trouble_since, 'at', x.at,
               'status', x.status, 'webhook_fault', x.detail)
      from (select) one
      left join lateral (
            select a.at, a.status, a.detail
              from webhook_message m
              join webhook_attempt a on a.tenant = m.tenant and a.message_id = m.id
             where m.tenant = p_webhook.tenant
               and m.webhook_id = p_webhook.id
               and m.event <> 'webhook.test'
               and a.outcome <> 'delivered'
             order by a.at desc, a.number desc
             limit 1) x on true
     where p_webhook.trouble_since is not null;
end;

comment on function webhook_trouble(webhook) is
    'What is wrong with a webhook whose messages are sent in vain: {"since", "at": of the last sending, "status": what it answered, or null, "webhook_fault": why it did not, or null}; the last sending is null once it is no longer kept. Null: nothing.';


create or replace function webhook_row(p_webhook webhook) returns jsonb
    language sql stable
begin atomic
    select jsonb_build_object('id', p_webhook.id, 'url', p_webhook.url,
               'webhook_events', case cardinality(p_webhook.events) when 2 then 'both'
                   else case p_webhook.events[1] when 'changes.accepted' then 'changes'
                        else 'imports' end end,
               'webhook_state', p_webhook.state, 'state_at', p_webhook.state_at,
               'is_active', p_webhook.state = 'active',
               'is_stopped', p_webhook.state = 'stopped',
               'is_failing', p_webhook.state = 'failing',
               'is_gone', p_webhook.state = 'gone',
               'trouble', webhook_trouble(p_webhook),
               'waiting', (select count(*)
                             from webhook_message m
                            where m.tenant = p_webhook.tenant
                              and m.webhook_id = p_webhook.id
                              and m.state = 'queued'),
               'next_try', case when p_webhook.state = 'active'
                                     and p_webhook.next_try > now()
                                then p_webhook.next_try end,
               'last', (select jsonb_build_object('at', a.at,
                                   'webhook_outcome', a.outcome, 'status', a.status)
                          from webhook_message m
                          join webhook_attempt a on a.tenant = m.tenant
                                                and a.message_id = m.id
                         where m.tenant = p_webhook.tenant
                           and m.webhook_id = p_webhook.id
                         order by a.at desc, a.number desc
                         limit 1));
end;

comment on function webhook_row(webhook) is
    'A webhook as pages show it: {"id", "url", "webhook_events": changes | imports | both, "webhook_state", "state_at", "is_active", "is_stopped", "is_failing", "is_gone", "trouble": webhook_trouble(), "waiting": messages, "next_try": null when nothing waits for its time, "last": {"at", "webhook_outcome", "status"} or null}. Never its secret.';


create or replace function webhooks(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent('administrator');

    return (select json_build_object('status', 200, 'sends', input->>'sends' = '1',
                'webhooks', coalesce(json_agg(webhook_row(w) order by w.id), '[]'))
              from webhook w);
end
$$;

comment on function webhooks(jsonb) is
    'The town''s webhooks. Input: sends (1 where this server sends messages). Result: {"status": 200, "sends", "webhooks": [webhook_row()]}. For administrators.';


create or replace function webhook_attempts(p_webhook webhook) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('at', x.at, 'webhook_event', case x.event
                   when 'changes.accepted' then 'changes' when 'import.report' then 'imports'
                   else 'test' end,
               'webhook_outcome', x.outcome, 'status', x.status, 'webhook_fault', x.detail,
               'message', x.id, 'number', x.number, 'ms', x.ms) order by x.at desc, x.number desc),
               '[]')
      from (select a.at, m.event, a.outcome, a.status, a.detail, m.id, a.number, a.ms
              from webhook_message m
              join webhook_attempt a on a.tenant = m.tenant and a.message_id = m.id
             where m.tenant = p_webhook.tenant
               and m.webhook_id = p_webhook.id
             order by a.at desc, a.number desc
             limit 30) x;
end;

comment on function webhook_attempts(webhook) is
    'The last 30 sendings to a webhook: [{"at", "webhook_event": changes | imports | test, "webhook_outcome": delivered | retry | gone, "status", "webhook_fault", "message": its webhook-id, "number", "ms"}].';


create or replace function webhook_document(p_id bigint, input jsonb, p_shown boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_webhook  webhook;
    v_version  text;
begin
    select w.* into v_webhook from webhook w where w.id = p_id;

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_version := document_version(to_json(v_webhook.seal_id), to_json(v_webhook.state));

    return json_build_object('status', 200, 'version', v_version,
        'sends', input->>'sends' = '1', 'webhook', webhook_row(v_webhook), 'shown', p_shown,
        'secret', case when p_shown then sealed_value('webhook',
            (input #>> '{signing,id}')::uuid, 'secret', input #>> '{signing,sealed}') end,
        'former_until', case when v_webhook.former_until > now()
                             then v_webhook.former_until end,
        'attempts', webhook_attempts(v_webhook),
        'values', json_build_object('version', v_version),
        'location', null, 'errors', json_build_array());
end
$$;

comment on function webhook_document(bigint, jsonb, boolean) is
    'What webhook() answers; with the secret that has just been made (signing of the input) where it is shown, which no other answer has.';


create or replace function webhook(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent('administrator');

    return webhook_document(to_id(input->>'webhook'), input, false);
end
$$;

comment on function webhook(jsonb) is
'A webhook and what was sent to it. Input: webhook (its id), sends. Result: {"status": 200, "version": of its secret and state, "sends": as webhooks(), "webhook": webhook_row(), "shown": false, "secret": null, "former_until": until when the former secret signs too, or null, "attempts": webhook_attempts(), "values"}; 404. For administrators.';


create or replace function add_webhook(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    -- a name is the same in capitals
    v_parts  text[] := regexp_match(input->>'url', '^(https)://([^/?#]+)(/.*)?$', 'i');
    v_url    text := 'https://' || lower(v_parts[2]) || coalesce(v_parts[3], '/');
    v_port   int := substring(v_parts[2] from ':([0-9]{1,5})$')::int;
    v_id     bigint;
begin
    perform require_agent('administrator');

    if v_parts is null or v_url !~ '^https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9/._~!$&''()*+,;=:@%?-]*)?$'
    then
        return refused('url', 'https_only');
    elsif v_port <> 443 and v_port not between 1024 and 65535 then
        return refused('url', 'port');
    end if;

    -- two administrators come one after another
    perform 1 from town t where t.id = here() for no key update;

    if exists (select from webhook w where w.url = v_url) then
        return refused('url', 'webhook_there', 409);
    elsif (select count(*) from webhook) >= 5 then
        return refused('', 'webhook_many', 409);
    end if;

    -- what is new by now has its place, and is not told
    perform place_changes();

    insert into webhook (tenant, url, events, seal_id, secret, told, created_by)
    values (here(), v_url, webhook_events(input->>'webhook_events'),
            (input #>> '{signing,id}')::uuid, input #>> '{signing,sealed}',
            coalesce((select max(c.position) from change c), 0), my_agent())
    returning id into v_id;

    perform note('add_webhook', 'ok', 'webhook', v_id);

    return webhook_document(v_id, input, true);
end
$$;

comment on function add_webhook(jsonb) is
'Adds an address that is told what there is to read from now on. Input: url (https, a name, port 443 or from 1024), webhook_events (changes, imports, both), signing. Result: as webhook(), with "shown": true and "secret", which no other answer has. Errors: url https_only, port; 409 url webhook_there, webhook_many (five). For administrators.';


create or replace function webhook_step(p_webhook webhook, p_step text, input jsonb)
    returns json
    language plpgsql set search_path = portal, pg_temp as $$
begin
    case p_step
    when 'test' then
        if p_webhook.state <> 'active' then
            return refused('', 'webhook_off', 409);
        end if;

        insert into webhook_message (tenant, webhook_id, event)
        values (here(), p_webhook.id, 'webhook.test')
            on conflict do nothing;

    when 'stop' then
        update webhook w
           set state = 'stopped', state_at = now()
         where w.id = p_webhook.id and w.state <> 'stopped';

    when 'resume' then
        update webhook_message m
           set state = 'queued', tries = 0, done_at = null
         where m.webhook_id = p_webhook.id
           and m.state = 'failed'
           and m.event <> 'webhook.test';

        -- what was given up begins anew, and is told of again if it has to be
        update webhook w
           set state = 'active', next_try = now(),
               state_at = case w.state when 'active' then w.state_at else now() end,
               trouble_since = case w.state when 'active' then w.trouble_since end,
               warned_at = case w.state when 'active' then w.warned_at end
         where w.id = p_webhook.id;

    when 'secret' then
        update webhook w
           set former_id = w.seal_id, former = w.secret,
               former_until = now() + interval '1 day',
               seal_id = (input #>> '{signing,id}')::uuid,
               secret = input #>> '{signing,sealed}'
         where w.id = p_webhook.id;

    when 'remove' then
        delete from webhook w where w.id = p_webhook.id;
    end case;

    return null;
end
$$;

comment on function webhook_step(webhook, text, jsonb) is
    'What an administrator does to a webhook whose row is locked: test, stop, resume (tries again now, also what was given up), secret, remove. Result: null, or why not: 409 webhook_off.';


create or replace function change_webhook(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step     text := input->>'step';
    v_webhook  webhook;
    v_refusal  json;
begin
    perform require_agent('administrator');

    select w.* into v_webhook
      from webhook w
     where w.id = to_id(input->>'webhook')
       for update;

    v_refusal := case when v_webhook.id is null
                      then json_build_object('status', 404, 'errors', json_build_array())
                      else settings_stale(input, webhook(input)->>'version') end;
    v_refusal := coalesce(v_refusal, webhook_step(v_webhook, v_step, input));

    if v_refusal is not null then
        return v_refusal;
    end if;

    perform note('change_webhook', v_step, 'webhook', v_webhook.id);

    return case v_step
        when 'secret' then webhook_document(v_webhook.id, input, true)
        when 'remove' then moved('/reglages/logiciel', null, 'webhook_removed')
        else moved('/reglages/logiciel/' || v_webhook.id, null, 'webhook_' || v_step) end;
end
$$;

comment on function change_webhook(jsonb) is
'What an administrator does to a webhook. Input: webhook, step: test (a message now), stop, resume (goes on; what waits or was given up is tried now), secret (another one; the former signs too for a day), remove; version of the page or If-Match; signing. Result: moved to its page, after remove to the list; secret answers as add_webhook(). Errors: 404, settings_stale(), 409 webhook_off (a test of one that is not active). For administrators.';


grant execute on function webhooks(jsonb), webhook(jsonb), add_webhook(jsonb),
    change_webhook(jsonb)
   to portal_web;
