--
-- How long things are kept, and what is erased when their time is over.  Each
-- town has its own periods.
--

set search_path = portal, pg_temp;


-- closing an account --------------------------------------------------------

create or replace function pending_matters(p_account bigint)
    returns table (matter text, since timestamptz, page text, number text)
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    -- a new address that waits for its link to be followed, a request that the
    -- town has not answered
    return query
    select 'address', k.created_at, '/mon-compte', null
      from token k
      join account a on a.tenant = k.tenant and a.id = k.account_id
     where k.account_id = p_account
       and k.purpose = 'address'
       and link_state(k, a) = 'valid'
     union all
    select 'request', c.created_at,
           case when c.family_id = my_family() then '/famille/demandes/' || c.id end,
           c.number
      from change_set c
     where c.account_id = p_account
       and c.state in ('sent', 'taken', 'incomplete');
end
$$;

comment on function pending_matters(bigint) is
'What has to end before an account is closed: a code for the page, since when and the page where it is seen, null when it is another family''s than the one that the session is for, and a request''s number. One query for each kind of matter; a new kind adds its own.';


create or replace function close_account(p_account bigint, p_why text) returns boolean
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_account  account;
begin
    -- who has logged in since the job found the account keeps it: a log-in
    -- takes the warning back
    select a.* into v_account
      from account a
     where a.id = p_account
       and a.state = 'active'
       and (p_why <> 'inactive' or a.warned_on is not null)
       for no key update;

    if not found then
        return false;
    end if;

    perform post(gen_random_uuid(), v_account.email, v_account.email_mac, 'account_closed',
                 v_account.lang, jsonb_build_object('inactive', p_why = 'inactive'));

    -- the families first, as lock_subject() does with one
    perform 1
       from family f
      where f.id in (select u.family_id from subscription u
                      where u.account_id = p_account and u.ended_at is null)
      order by f.tenant, f.id
        for no key update;

    update subscription u
       set ended_at = now(),
           effective_at = least(u.effective_at, now())
     where u.account_id = p_account
       and u.ended_at is null;

    update session s
       set ended_at = now()
     where s.account_id = p_account
       and s.ended_at is null;

    perform void_links(p_account);

    -- the trigger account_closing erases what names its owner
    update account a
       set state = 'closed'
     where a.id = p_account;

    perform note('close_account', p_why, 'account', p_account, p_account);

    return true;
end
$$;

comment on function close_account(bigint, text) is
'Closes an active account of this town: mails its owner, ends subscriptions, sessions and links, erases name, address and password. Input: the account, why (person | inactive). Result: it was active, and if for want of use, warned.';


create or replace function warn_account(p_account bigint) returns boolean
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_account  account;
begin
    update account a
       set warned_on = today()
     where a.id = p_account
       and a.state = 'active'
       and (a.warned_on is null
            or a.warned_on < a.last_used_on
                             + (select t.keep_inactive - 30 from town t where t.id = a.tenant))
       and a.last_used_on < today()
    returning a.* into v_account;

    if not found then
        return false;
    end if;

    perform post(gen_random_uuid(), v_account.email, v_account.email_mac,
                 'account_inactive', v_account.lang,
                 jsonb_build_object('until', today() + 30));
    perform note('warn_account', 'ok', 'account', p_account, p_account);

    return true;
end
$$;

comment on function warn_account(bigint) is
'Mails the owner of an account that it will be closed in 30 days for want of use. Input: the account. Result: it was not warned yet, nor used today.';


-- what is past its time -------------------------------------------------------

create or replace function due_accounts(p_kind text, p_town town, p_limit int)
    returns setof bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    case p_kind
    when 'account_unconfirmed' then
        return query
        select a.id
          from account a
         where a.tenant = p_town.id
           and a.state = 'unconfirmed'
           and a.signed_up_at < now() - make_interval(days => p_town.keep_unconfirmed)
         limit p_limit;

    when 'account_closed' then
        return query
        select a.id
          from account a
         where a.tenant = p_town.id
           and a.state = 'closed'
           and a.closed_at < now() - make_interval(days => p_town.keep_closed)
         limit p_limit;

    when 'account_inactive' then
        return query
        select a.id
          from account a
         where a.tenant = p_town.id
           and a.state = 'active'
           and a.last_used_on <= today() - p_town.keep_inactive
           and a.warned_on <= today() - 30
           -- for this end: a town that keeps accounts longer has them warned again
           and a.warned_on >= a.last_used_on + (p_town.keep_inactive - 30)
           and not exists (select from pending_matters(a.id))
         limit p_limit;

    when 'account_warned' then
        return query
        select a.id
          from account a
         where a.tenant = p_town.id
           and a.state = 'active'
           and a.last_used_on <= today() - (p_town.keep_inactive - 30)
           and (a.warned_on is null
                or a.warned_on < a.last_used_on + (p_town.keep_inactive - 30))
         limit p_limit;
    end case;
end
$$;

comment on function due_accounts(text, town, int) is
'Accounts whose time is over. Input: account_unconfirmed, account_closed, account_inactive or account_warned, see erase_accounts(); how many at most.';


create or replace function due_requests(p_town town, p_limit int, p_which text)
    returns setof bigint
    language plpgsql stable set search_path = portal, pg_temp
    set plan_cache_mode = force_custom_plan as $$
declare
    v_listed  bigint[] := case when p_which = 'purge'
        then approved_objects(p_town, 'change_set')::bigint[] end;
    v_before  timestamptz := now() - make_interval(days => p_town.keep_request);
    v_held    bigint[];
begin
    -- with a request go its files: one that is kept holds it back
    select coalesce(array_agg(u.set_id), '{}') into v_held
      from elimination_item i
      join upload u on u.tenant = i.tenant
                   and u.id = case when i.kind in ('document', 'photo') then i.object::uuid end
     where i.tenant = p_town.id
       and i.state = 'kept'
       and u.set_id is not null
       and is_kept(p_town, i.kind, i.object);

    return query
    select c.id
      from change_set c
     where c.tenant = p_town.id
       and c.updated_at < v_before
       and c.state in ('accepted', 'partly', 'refused', 'replaced', 'withdrawn')
       -- what the town's software does not hold waits, as long again
       and (c.updated_at < v_before - make_interval(days => p_town.keep_request)
            or not exists (select from change x
                            where x.tenant = c.tenant
                              and x.set_id = c.id
                              and x.state in ('open', 'rejected')))
       and c.id <> all (v_held)
       and (v_listed is null or c.id = any (v_listed))
       and may_erase(p_town, 'change_set', c.id::text, p_which)
     limit p_limit;
end
$$;

comment on function due_requests(town, int, text) is
    'Requests whose time is over, but those with a file that is kept. Input: how many at most, which: as of may_erase().';


create or replace function upload_kind(p_section text) returns text
    language sql immutable
    return case p_section when 'child_photo' then 'photo' else 'document' end;

comment on function upload_kind(text) is
    'What a file is on a list of what is to be destroyed. Input: its section.';


create or replace function due_bans(p_town town, p_limit int, p_which text)
    returns setof bigint
    language plpgsql stable set search_path = portal, pg_temp
    set plan_cache_mode = force_custom_plan as $$
declare
    v_listed  bigint[] := case when p_which = 'purge'
        then approved_objects(p_town, 'collect_ban')::bigint[] end;
begin
    return query
    select b.id
      from collect_ban b
     where b.tenant = p_town.id
       and b.ended_at < now() - make_interval(days => p_town.keep_request)
       and (v_listed is null or b.id = any (v_listed))
       and may_erase(p_town, 'collect_ban', b.id::text, p_which)
     limit p_limit;
end
$$;

comment on function due_bans(town, int, text) is
    'Lifted bans whose time is over. Input: as of due_requests().';


create or replace function due_uploads(p_town town, p_limit int, p_which text)
    returns setof uuid
    language plpgsql stable set search_path = portal, pg_temp
    set plan_cache_mode = force_custom_plan as $$
declare
    v_listed    uuid[] := case when p_which = 'purge'
        then approved_objects(p_town, 'document', 'photo')::uuid[] end;
    v_before    timestamptz := now() - make_interval(days => p_town.keep_photo);
    v_requests  bigint[];
begin
    if p_which = 'unlisted' then
        v_requests := array(select due_requests(p_town, p_limit, p_which));
    end if;

    -- what no request names after a day; a photo that is no longer needed; not
    -- what the file holds, nor what has just left it
    return query
    select d.id
      from upload d
      left join change_set c on c.tenant = d.tenant and c.id = d.set_id
     where d.tenant = p_town.id
       and (c.id is null and d.left_at is null and p_which <> 'unlisted'
                and d.created_at < now() - interval '1 day'
                and not is_kept(p_town, upload_kind(d.section), d.id::text)
            or (d.left_at < v_before and (d.section = 'child_photo' or c.id is null)
                or d.section <> 'child_photo' and coalesce(c.decided_at,
                       case when c.state in ('replaced', 'withdrawn') then c.updated_at end)
                   <= now() - make_interval(days => p_town.keep_document)
                   and coalesce(d.left_at < v_before, true)
                or d.section = 'child_photo' and c.updated_at < v_before
                   and c.state in ('refused', 'replaced', 'withdrawn'))
               and (v_listed is null or d.id = any (v_listed))
               and may_erase(p_town, upload_kind(d.section), d.id::text, p_which)
               -- what goes with its request is on a list as that
               and (p_which <> 'unlisted' or d.set_id is null
                    or d.set_id <> all (v_requests)
                       and may_erase(p_town, 'change_set', d.set_id::text, p_which)))
       and not exists (select from child_photo p
                        where p.tenant = d.tenant
                          and p.upload_id = d.id)
       and not exists (select from child_pai p
                        where p.tenant = d.tenant
                          and p.upload_id = d.id)
     limit p_limit;
end
$$;

comment on function due_uploads(town, int, text) is
    'Files whose time is over; those that no request has named, and nobody has kept, are among them, but where it is asked what a list may name: then not, nor what goes with its request. Input: as of due_requests().';


create or replace function keep_family(p_tenant int, p_ids bigint[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into subscription_past (tenant, id, family_id)
    select u.tenant, u.id, u.family_id
      from subscription u
     where u.tenant = p_tenant
       and u.id = any (p_ids)
       and exists (select from audit a
                    where a.tenant = u.tenant
                      and a.object = 'subscription'
                      and a.object_id = u.id);
end
$$;

comment on function keep_family(int, bigint[]) is
    'Before connections are erased, keeps which family each was with, of those that the audit tells of. Input: the town, their ids.';


create or replace function erase_accounts(p_kind text, p_town town, p_limit int) returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_ids    bigint[];
    v_count  int := 0;
begin
    if p_kind = 'account_unconfirmed' then
        delete from account a
         where a.tenant = p_town.id
           and a.id in (select due_accounts(p_kind, p_town, p_limit))
           and a.state = 'unconfirmed'
           and a.signed_up_at < now() - make_interval(days => p_town.keep_unconfirmed);
        get diagnostics v_count = row_count;

    elsif p_kind = 'account_closed' then
        v_ids := array(select due_accounts(p_kind, p_town, p_limit));

        perform keep_family(p_town.id, array(
            select u.id from subscription u
             where u.tenant = p_town.id and u.account_id = any (v_ids)));
        delete from subscription u
         where u.tenant = p_town.id and u.account_id = any (v_ids);
        delete from account a
         where a.tenant = p_town.id and a.id = any (v_ids) and a.state = 'closed';
        get diagnostics v_count = row_count;

    elsif p_kind = 'account_reminded' then
        v_count := remind_accounts(p_limit);

    elsif p_kind = 'account_inactive' then
        select count(*) filter (where close_account(d.id, 'inactive')) into v_count
          from due_accounts(p_kind, p_town, p_limit) as d (id);

    else
        select count(*) filter (where warn_account(d.id)) into v_count
          from due_accounts(p_kind, p_town, p_limit) as d (id);
    end if;

    return v_count;
end
$$;

comment on function erase_accounts(text, town, int) is
'One batch of what a town''s periods say of accounts. Input: account_unconfirmed, account_closed (its remainder), account_inactive (closes it), account_warned (30 days before) or account_reminded (the yearly mail, see remind_accounts()). Result: how many.';


create or replace function erase_traces(p_kind text, p_town town, p_limit int) returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_before    timestamptz;
    v_families  bigint[];
    v_ids       bigint[];
    v_count     int := 0;
begin
    v_before := now() - make_interval(days => case p_kind
        when 'attempt' then p_town.keep_attempt
        when 'token' then p_town.keep_token
        when 'session' then p_town.keep_session
        when 'outbox' then p_town.keep_mail
        when 'device' then 90
        when 'agent_session' then p_town.keep_session
        when 'agent_device' then 90
        when 'code_copy' then 30
        when 'subscription' then p_town.keep_closed
        when 'idempotency' then 1
        when 'captcha_used' then 0
        when 'agent_former' then 7
        when 'removed' then p_town.keep_photo
        when 'webhook_message' then 14
        else p_town.keep_audit end);

    -- conditions twice: a row may have changed since it was found
    case p_kind
    when 'attempt' then
        delete from attempt a
         where a.tenant = p_town.id and a.last_at < v_before
           and (a.kind, a.key) in (select d.kind, d.key from attempt d
                                    where d.tenant = p_town.id and d.last_at < v_before
                                      and d.first_at < v_before
                                    limit p_limit);

    when 'captcha_used' then
        delete from captcha_used c
         where c.tenant = p_town.id
           and c.id in (select d.id from captcha_used d
                         where d.tenant = p_town.id and d.expires < v_before
                         limit p_limit);

    when 'idempotency' then
        delete from idempotency i
         where i.tenant = p_town.id and i.created_at < v_before
           and (i.scope, i.key) in (select d.scope, d.key from idempotency d
                                     where d.tenant = p_town.id
                                       and d.created_at < v_before
                                     limit p_limit);

    when 'token' then
        delete from token k
         where k.tenant = p_town.id
           and k.mac in (select d.mac from token d
                          where d.tenant = p_town.id
                            and (d.expires_at < v_before
                                 or d.account_id in (select a.id from account a
                                                      where a.tenant = p_town.id
                                                        and a.state = 'closed'))
                          limit p_limit);

    when 'session' then
        delete from session s
         where s.tenant = p_town.id
           and s.hash in (select d.hash from session d
                           where d.tenant = p_town.id and d.absolute_until < v_before
                           limit p_limit);

    when 'device' then
        -- of each account the latest stays: another one is news to its owner;
        -- a program that keeps no cookie is a new one each time
        delete from device d
         where d.tenant = p_town.id
           and (d.account_id, d.mac) in (
                   select n.account_id, n.mac
                     from (select o.account_id, o.mac, o.last_at,
                                  row_number() over (partition by o.account_id
                                                         order by o.last_at desc) as place
                             from device o
                            where o.tenant = p_town.id) n
                    where n.place > 20
                       or n.place > 1 and n.last_at < v_before
                       or n.account_id in (select a.id from account a
                                            where a.tenant = p_town.id
                                              and a.state = 'closed')
                    limit p_limit);

    when 'agent_session' then
        delete from agent_session s
         where s.tenant = p_town.id
           and s.hash in (select d.hash from agent_session d
                           where d.tenant = p_town.id and d.absolute_until < v_before
                           limit p_limit);

    when 'agent_device' then
        delete from agent_device d
         where d.tenant = p_town.id and d.last_at < v_before
           and (d.agent_id, d.mac) in (select o.agent_id, o.mac from agent_device o
                                        where o.tenant = p_town.id and o.last_at < v_before
                                        limit p_limit);

    when 'code_copy' then
        -- what nobody has opened, nobody knows: such a code is no use any more;
        -- a letter that was opened may have been posted, as may one that was
        -- not made here
        update code k
           set copy = null,
               revoked_at = case when l.made_by is not null
                                      and not exists (select from audit a
                                                       where a.tenant = k.tenant
                                                         and a.object_id = k.lot_id
                                                         and a.action = 'read_letters'
                                                         and a.outcome = 'ok')
                                 then now() end
          from letter_lot l
         where l.tenant = k.tenant
           and l.id = k.lot_id
           and k.tenant = p_town.id
           and k.printable
           and k.issued_at < v_before
           and k.id in (select d.id from code d
                         where d.tenant = p_town.id and d.printable
                           and d.issued_at < v_before
                         limit p_limit);

    when 'code' then
        -- by which an account is connected stays as long as that
        delete from code k
         where k.tenant = p_town.id
           and k.id in (select d.id from code d
                         where d.tenant = p_town.id
                           and coalesce(d.revoked_at, d.used_at, d.expires_at) < v_before
                           and not d.printable
                           and not exists (select from subscription u
                                            where u.tenant = d.tenant
                                              and u.code_id = d.id
                                              and u.ended_at is null)
                         limit p_limit);

    when 'subscription' then
        -- the families first, which the trigger of their versions takes; one that
        -- somebody has now waits for the next time
        v_families := array(
            select f.id
              from family f
             where f.tenant = p_town.id
               and f.id in (select d.family_id from subscription d
                             where d.tenant = p_town.id and d.ended_at < v_before
                             order by d.ended_at, d.id
                             limit p_limit)
             order by f.id
               for no key update skip locked);

        v_ids := array(select d.id from subscription d
                        where d.tenant = p_town.id
                          and d.family_id = any (v_families)
                          and d.ended_at < v_before
                        order by d.ended_at, d.id
                        limit p_limit);
        perform keep_family(p_town.id, v_ids);
        delete from subscription u
         where u.tenant = p_town.id and u.id = any (v_ids);

    when 'subscription_past' then
        delete from subscription_past p
         where p.tenant = p_town.id
           and p.id in (select d.id
                          from subscription_past d
                         where d.tenant = p_town.id
                           and not exists (select from audit a
                                            where a.tenant = d.tenant
                                              and a.object = 'subscription'
                                              and a.object_id = d.id)
                         limit p_limit);

    when 'month_figure' then
        delete from month_figure m
         where m.tenant = p_town.id
           and m.month < today() - 400;

    when 'change_set' then
        delete from change_set c
         where c.tenant = p_town.id
           and c.id in (select due_requests(p_town, p_limit, 'purge'));

    when 'collect_ban' then
        delete from collect_ban b
         where b.tenant = p_town.id
           and b.id in (select due_bans(p_town, p_limit, 'purge'));

    when 'removed' then
        delete from removed r
         where r.tenant = p_town.id
           and r.set_id in (select d.set_id from removed d
                             where d.tenant = p_town.id and d.removed_at < v_before
                             limit p_limit)
           and r.removed_at < v_before;

        -- then nothing brings a child back who is in no household
        get diagnostics v_count = row_count;
        return v_count + end_children(p_town.keep_photo, p_limit - v_count);

    when 'child_pai' then
        return end_pais(coalesce(p_town.keep_document, p_town.keep_request), p_limit);

    when 'upload' then
        delete from upload u
         where u.tenant = p_town.id
           and u.id in (select due_uploads(p_town, p_limit, 'purge'));

    when 'outbox' then
        delete from outbox o
         where o.tenant = p_town.id
           and o.id in (select d.id from outbox d
                         where d.tenant = p_town.id and d.done_at < v_before
                         limit p_limit);

    when 'webhook_message' then
        delete from webhook_message m
         where m.tenant = p_town.id
           and m.id in (select d.id from webhook_message d
                         where d.tenant = p_town.id
                           and (d.done_at < v_before
                                or d.created_at < v_before - interval '76 days')
                         limit p_limit);

    when 'audit' then
        -- the trigger audit_kept keeps each row's link of the chain
        delete from audit a
         where a.tenant = p_town.id
           and a.id in (select d.id from audit d
                         where d.tenant = p_town.id and d.at < v_before
                           and d.hash is not null
                         limit p_limit);

    when 'elimination' then
        delete from elimination e
         where e.tenant = p_town.id
           and e.id in (select d.id from elimination d
                         where d.tenant = p_town.id
                           -- what was kept on it is so for a year
                           and d.ended_at < least(v_before, now() - interval '366 days')
                         limit p_limit);

    when 'agent_former' then
        delete from agent_former f
         where f.tenant = p_town.id
           and f.id in (select d.id from agent_former d
                         where d.tenant = p_town.id and d.until < v_before
                         limit p_limit);

    when 'mass_export' then
        delete from mass_export e
         where e.tenant = p_town.id
           and e.id in (select d.id from mass_export d
                         where d.tenant = p_town.id and d.asked_at < v_before
                         limit p_limit);

    when 'retention_run' then
        delete from retention_run r
         where r.tenant = p_town.id
           and r.id in (select d.id from retention_run d
                         where d.tenant = p_town.id and d.at < v_before
                         limit p_limit);
    end case;

    get diagnostics v_count = row_count;
    return v_count;
end
$$;

comment on function erase_traces(text, town, int) is
'One batch of what is past its time: attempt, captcha_used, idempotency, token, session, device, agent_session, agent_device, code_copy (what is not printed after 30 days), code (that is over, unless a subscription lives by it), subscription (that has ended), subscription_past (of which the audit tells nothing more), month_figure (400 days), change_set, collect_ban (that has ended), removed (what undoing a removal needs, then children who are in no household any more, see end_children()), child_pai (the documents of plans that are over, which leave the file), upload, outbox, webhook_message (two weeks after its end; what was never told after 90 days), audit, mass_export, agent_former (a week) or retention_run. Captchas go when over, idempotency keys and files that no request names after 24 hours, devices after 90 days (but an account''s latest) or beyond twenty, the rest as the town says. Result: how many.';


create or replace function erase_imports(p_kind text, p_town town, p_limit int) returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_count  int := 0;
begin
    -- of what has come to nothing, what it brought is kept for a day
    case p_kind
    when 'import_checked' then
        update import i
           set state = 'cancelled', finished_at = now()
         where i.tenant = p_town.id
           and i.state = 'checked'
           and i.worked_at < now() - interval '7 days';

    when 'import_filling' then
        delete from import i
         where i.tenant = p_town.id
           and i.state = 'filling'
           and i.created_at < now() - interval '1 day';

    when 'import_piece' then
        delete from import_piece p
         where p.tenant = p_town.id
           and (p.import_id, p.file, p.piece) in (
                   select d.import_id, d.file, d.piece
                     from import i
                     join import_piece d on d.tenant = i.tenant and d.import_id = i.id
                    where i.tenant = p_town.id
                      and i.finished_at < now() - interval '1 day'
                    limit p_limit);

    when 'import_key' then
        delete from import_key k
         where k.tenant = p_town.id
           and (k.import_id, k.kind, k.key, k.ref) in (
                   select d.import_id, d.kind, d.key, d.ref
                     from import i
                     join import_key d on d.tenant = i.tenant and d.import_id = i.id
                    where i.tenant = p_town.id
                      and i.finished_at < now() - interval '1 day'
                    limit p_limit);

    when 'import_values' then
        update import_line l
           set records = null
         where l.tenant = p_town.id
           and (l.import_id, l.file, l.line) in (
                   select d.import_id, d.file, d.line
                     from import i
                     join import_line d on d.tenant = i.tenant and d.import_id = i.id
                                       and d.records is not null
                    where i.tenant = p_town.id
                      and i.finished_at < now() - interval '1 day'
                    limit p_limit);

    when 'import_line' then
        delete from import_line l
         where l.tenant = p_town.id
           and (l.import_id, l.file, l.line) in (
                   select d.import_id, d.file, d.line
                     from import i
                     join import_line d on d.tenant = i.tenant and d.import_id = i.id
                    where i.tenant = p_town.id
                      and i.finished_at < now() - interval '365 days'
                    limit p_limit);

    when 'import' then
        delete from import i
         where i.tenant = p_town.id
           and i.finished_at < now() - interval '365 days'
           and not exists (select from import_line l
                            where l.tenant = i.tenant and l.import_id = i.id);

    else
        delete from import_conflict c
         where c.tenant = p_town.id
           and c.id in (select d.id from import_conflict d
                         where d.tenant = p_town.id
                           and d.decided_at < now()
                               - make_interval(days => p_town.keep_request)
                         limit p_limit);
    end case;

    get diagnostics v_count = row_count;
    return v_count;
end
$$;

comment on function erase_imports(text, town, int) is
'One batch of what imports leave behind: import_checked (a dry run that nobody has decided about for a week is cancelled), import_filling (never started, after a day), import_piece, import_key, import_values (of what ended, after a day), import_line, import (the report, after a year), import_conflict (decided, as long as a request). Result: how many.';


create or replace function keep_figures(p_town town) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into month_figure (tenant, month, linked)
    select p_town.id, m.month, (
               select count(distinct u.family_id)
                 from subscription u
                where u.tenant = p_town.id
                  and u.effective_at < m.ends
                  and (u.ended_at is null or u.ended_at >= m.ends))
      from (select d::date as month,
                   (d + interval '1 month') at time zone 'Europe/Paris' as ends
              from generate_series(date_trunc('month', today()::timestamp)
                                       - interval '12 months',
                                   date_trunc('month', today()::timestamp)
                                       - interval '1 month', interval '1 month') d) m
     -- of what may have been erased before there were figures there is none
     where m.ends > now() - make_interval(days => p_town.keep_closed)
       and not exists (select from month_figure f
                        where f.tenant = p_town.id and f.month = m.month)
        on conflict do nothing;
end
$$;

comment on function keep_figures(town) is
    'Keeps the numbers of the months that are over and have none yet, as long as all that they are counted from is there. For the job, before it erases anything.';


create or replace function job_due(p_name text, p_every int) returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- a tenth less: the nodes' timers do not fire to the second
    update job j
       set ran_at = now()
     where j.name = p_name
       and (j.more or p_every is null
            or j.ran_at <= now() - make_interval(secs => p_every * 0.9));

    return found;
end
$$;

comment on function job_due(text, int) is
'Claims a periodic job. Input: its name, seconds between two runs (null: now). Result: it is time, and the caller''s to do. The caller holds the job''s advisory lock.';


create or replace function purge(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_left  int := least(greatest(coalesce((input->>'limit')::int, 500), 1), 5000);
    v_town  town;
    v_kind  text;
    v_rows  int;
    -- accounts looked at for the yearly mail, in all towns: each costs more
    -- than a row that is deleted
    v_told  int := 50;
    v_full  boolean;
    v_set   text;
    v_note  text;
    v_all   int := 0;
begin
    if not pg_try_advisory_xact_lock(7706737708)
       or not job_due('purge', (input->>'every')::int)
    then
        return json_build_object('status', 200, 'rows', 0, 'note', null, 'more', false);
    end if;

    -- what is not sent in three days is given up: nobody is warned of an end, or
    -- told of the new year, faster than the mail server takes it
    select count(*) = 10000 into v_full
      from (select
              from outbox o
             where o.state in ('queued', 'sending')
               and o.mass
             limit 10000) w;

    for v_town in select t.* from town t order by t.id loop
        v_set := set_config('portal.tenant', v_town.id::text, true)
              || set_config('portal.account', '0', true)
              || set_config('portal.family', '0', true)
              || set_config('portal.session', '', true)
              || set_config('portal.request', '', true);

        -- before what it is counted from goes
        perform keep_figures(v_town);

        foreach v_kind in array array['attempt', 'captcha_used', 'idempotency', 'token',
            'session', 'device', 'agent_session', 'agent_device', 'code_copy', 'change_set',
            'collect_ban', 'removed', 'child_pai', 'upload', 'outbox', 'webhook_message',
            'audit', 'retention_run', 'elimination', 'mass_export', 'agent_former', 'import_checked',
            'import_filling', 'import_piece', 'import_key', 'import_values', 'import_line',
            'import', 'import_conflict', 'account_unconfirmed', 'account_closed',
            'account_inactive', 'account_warned', 'account_reminded', 'subscription', 'code',
            'subscription_past', 'month_figure', 'agent_left', 'agent_gone']
        loop
            exit when v_left = 0;
            continue when v_full and v_kind in ('account_warned', 'account_reminded');

            v_rows := case when v_kind = 'account_reminded'
                           then erase_accounts(v_kind, v_town, least(v_left, v_told))
                           when v_kind like 'account%'
                           then erase_accounts(v_kind, v_town, v_left)
                           when v_kind in ('agent_left', 'agent_gone')
                           then erase_agents(v_kind, v_town, v_left)
                           when v_kind like 'import%'
                           then erase_imports(v_kind, v_town, v_left)
                           else erase_traces(v_kind, v_town, v_left) end;
            continue when v_rows = 0;

            insert into retention_run (tenant, kind, rows)
            values (v_town.id, v_kind, v_rows);

            v_left := v_left - v_rows;
            v_told := v_told - case v_kind when 'account_reminded' then v_rows else 0 end;
            v_all := v_all + v_rows;
            v_note := concat_ws(', ', v_note, v_town.slug || ' ' || v_kind || ' ' || v_rows);
        end loop;

        perform end_eliminations();
    end loop;

    -- of the audit's links that are left, the last before the first row is enough
    delete from audit_erased e
     where e.chain < (select min(a.chain) - 1 from audit a where a.chain is not null);

    update job j
       set more = v_left = 0 or v_told = 0
     where j.name = 'purge';

    return json_build_object('status', 200, 'rows', v_all, 'note', v_note,
        'more', v_left = 0 or v_told = 0);
end
$$;

comment on function purge(jsonb) is
'Erases what has had its time in each town, closes accounts that nobody uses and warns their owners 30 days before; tells guardians once a year that there is something to verify; neither while 10,000 such mails wait. Input: limit (rows in this transaction: 500; of them 50 accounts at most looked at for that mail), every (seconds: does nothing when another node has done it since; null: now).
Result: {"status": 200, "rows", "note": what of which town or null, "more": the limit was reached, call again}. retention_run keeps what was done. For portal_jobs.';


grant execute on function purge(jsonb) to portal_jobs;
