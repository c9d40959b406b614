--
-- The outbox: mails are written in the transaction that wants them sent, and
-- sent later by a job.
--

set search_path = portal, pg_temp;


create or replace function post(p_id uuid, p_recipient text, p_recipient_mac bytea,
    p_template text, p_lang text, p_data jsonb, p_sealed text default null,
    p_expires timestamptz default null)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into outbox (tenant, id, recipient, recipient_mac, template, lang, data,
                        token_sealed, expires, message_id)
    select t.id, p_id, p_recipient, p_recipient_mac, p_template, p_lang, p_data,
           p_sealed, p_expires,
           p_id || '@' || lower(split_part(t.mail_from, '@', 2))
      from town t
     where t.id = here();
end
$$;

comment on function post(uuid, text, bytea, text, text, jsonb, text, timestamptz) is
    'Puts a mail into the outbox. Input: its id, address, MAC of the address, template, language, data, sealed token and when its link dies.';


create or replace function mail_claim(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_limit  int := least(greatest(coalesce((input->>'limit')::int, 10), 1), 100);
    v_rows   json;
begin
    -- a link that is dead is not sent, nor a mail that nobody managed to send
    update outbox o
       set state = case when o.expires <= now() then 'expired' else 'failed' end,
           token_sealed = null, lease_until = null, done_at = now()
     where (o.tenant, o.id) in (
               select d.tenant, d.id
                 from outbox d
                where d.state in ('queued', 'sending')
                  and (d.lease_until is null or d.lease_until <= now())
                  and (d.expires <= now() or d.created_at <= now() - interval '3 days')
                  for update skip locked);

    -- what a town's families are told all at once lets pass what one of them waits
    -- for: a link would be dead before it is sent
    with awaited as (
        select d.tenant, d.id
          from outbox d
         where d.state in ('queued', 'sending')
           and not d.mass
           and d.next_try <= now()
           and (d.lease_until is null or d.lease_until <= now())
           and (d.expires is null or d.expires > now())
           and d.created_at > now() - interval '3 days'
         order by d.next_try
         limit v_limit
           for update skip locked),
    others as (
        select d.tenant, d.id
          from outbox d
         where d.state in ('queued', 'sending')
           and d.mass
           and d.next_try <= now()
           and (d.lease_until is null or d.lease_until <= now())
           and (d.expires is null or d.expires > now())
           and d.created_at > now() - interval '3 days'
         order by d.next_try
         limit v_limit - (select count(*) from awaited)
           for update skip locked),
    due as (
        select w.tenant, w.id from awaited w
         union all
        select o.tenant, o.id from others o),
    claimed as (
        update outbox o
           set state = 'sending', attempts = o.attempts + 1,
               lease_until = now() + make_interval(secs =>
                   least(greatest(coalesce((input->>'lease')::int, 120), 10), 3600))
          from due
         where o.tenant = due.tenant and o.id = due.id
        returning o.*)
    select json_agg(json_build_object(
               'id', c.id, 'town', t.id, 'attempt', c.attempts, 'tenant', t.slug, 'origin', t.origin, 'town_name', t.name,
               'service', town_text(t.texts, 'service', c.lang, t.service),
               'office', town_text(t.texts, 'office', c.lang, t.office), 'phone', t.phone,
               'from', t.mail_from,
               'from_name', town_text(t.texts, 'mail_name', c.lang, t.mail_name),
               'names', authorisation_names(t, c.lang),
               'recipient', c.recipient, 'template', c.template, 'lang', c.lang,
               'data', c.data, 'token', c.token_sealed, 'message_id', c.message_id)
               order by c.created_at)
      into v_rows
      from claimed c
      join town t on t.id = c.tenant;

    return coalesce(v_rows, '[]'::json);
end
$$;

comment on function mail_claim(jsonb) is
'Takes mails to send, of all towns; those that many get at once (outbox.mass) when no other waits. Input: {"limit": 1..100, "lease": seconds}. Another caller may take them again once the lease is over.
Result: [{"id", "town": number, "attempt": which taking of it this is, "tenant", "origin", "town_name", "service", "office", "phone", "from", "from_name", "names": authorisation_names(), "recipient", "template", "lang", "data", "token": sealed or null, "message_id"}].
A mail older than its link is marked expired, one older than three days failed; neither is given. For portal_jobs.';


create or replace function mail_done(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_outcome  text := input->>'outcome';
    v_town     int := nullif((input->>'town')::int, 0);
    v_towns    int[];
    v_state    text;
begin
    if v_outcome is null or v_outcome not in ('sent', 'retry', 'away', 'failed', 'expired') then
        return json_build_object('status', 422, 'state', null);
    end if;

    -- the key is by town: without it the whole index would be gone through; a node
    -- that is not upgraded yet does not say it
    v_towns := case when v_town is not null then array[v_town]
                    else array(select t.id from town t) end;

    update outbox o
       set state = s.state,
           detail = left(input->>'detail', 200),
           lease_until = null,
           tries = o.tries + (v_outcome = 'retry')::int,
           token_sealed = case when s.state = 'queued' then o.token_sealed end,
           done_at = case when s.state = 'queued' then null else now() end,
           next_try = case when s.state = 'queued' and v_outcome = 'away'
                           -- whoever sends knows when to ask the server again
                           then now()
                           when s.state = 'queued'
                           then now() + least(interval '1 minute' * 2 ^ least(o.tries, 6),
                                              interval '1 hour')
                           else o.next_try end
      from (select d.tenant, d.id,
                   case when v_outcome not in ('retry', 'away') then v_outcome
                        when d.expires <= now() then 'expired'
                        when d.created_at <= now() - interval '3 days' then 'failed'
                        else 'queued' end as state
              from outbox d
             where d.tenant = any (v_towns)
               and d.id = (input->>'id')::uuid
               -- who was slow may say that it went out, though another has taken
               -- it since, but not that this one should try again, or give up;
               -- a node that is not upgraded yet does not say which taking was its
               and (d.state = 'sending'
                    and coalesce((input->>'attempt')::int, d.attempts) = d.attempts
                    or v_outcome = 'sent' and d.state in ('queued', 'sending'))
               for update) s
     where o.tenant = s.tenant and o.id = s.id
    returning o.state into v_state;

    return json_build_object('status', case when v_state is null then 404 else 200 end,
        'state', v_state);
end
$$;

comment on function mail_done(jsonb) is
'Says what became of a mail that was taken. Input: {"id", "town" and "attempt" as mail_claim() gave them, "outcome": sent | retry | away | failed | expired, "detail"}.
retry waits 1, 2, 4 .. 60 minutes; away, when no mail goes out at all, does not wait: the caller asks the server again with one mail, after a pause of its own. Both for three days; any end erases the sealed token.
Result: {"status": 200, "state"}; 404 when the mail is not being sent, or, but for sent, another has taken it since; 422 for an unknown outcome. For portal_jobs.';


create or replace function mail_stats(input jsonb default '{}') returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_stats jsonb;
begin
    v_stats := (
        select jsonb_build_object('status', 200,
                   'queued', count(*) filter (where o.state = 'queued'),
                   'sending', count(*) filter (where o.state = 'sending'),
                   'oldest', coalesce(extract(epoch from now() - min(o.created_at)), 0)::bigint,
                   'unchained', (select count(*) from audit a where a.chain is null),
                   'webhooks', webhook_stats())
          from outbox o
         where o.state in ('queued', 'sending'));

    -- those that wait are few and have an index; the others are a month of mails

    if coalesce((input->>'ended')::boolean, true) then
        v_stats := v_stats || (
            select jsonb_build_object(
                       'sent', count(*) filter (where o.state = 'sent'),
                       'failed', count(*) filter (where o.state = 'failed'),
                       'expired', count(*) filter (where o.state = 'expired'))
              from outbox o
             where o.done_at is not null);
    end if;

    return v_stats::json;
end
$$;

comment on function mail_stats(jsonb) is
'Input: {"ended": whether those that have ended are counted, too, which reads them all; true unless said}.
Result: {"status": 200, "queued", "sending", and of the ended "sent", "failed", "expired": how many mails, "oldest": age in seconds of the oldest that waits, "unchained": rows of the audit that wait for audit_chain(), "webhooks": webhook_stats()}. For portal_jobs.';


grant execute on function mail_claim(jsonb), mail_done(jsonb), mail_stats(jsonb)
   to portal_jobs;
