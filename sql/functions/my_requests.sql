--
-- « Mes demandes »: what an account has asked for, as it sees it, and how it takes
-- that back.
--

set search_path = portal, pg_temp;


create or replace function form_path(p_back text, p_section text, p_action text,
    p_contact bigint, p_request bigint)
    returns text
    language sql stable
    return p_back || '/' || case
        when p_action = 'add' then
            case p_section when 'child_contact' then 'contacts/nouveau'
                           when 'child_general' then 'enfants/ajout'
                           else 'responsables/ajout' end || coalesce('/' || p_request, '')
        when p_action = 'report' then 'contacts/interdiction'
        when p_section = 'child_contact' then
            'contacts/' || p_contact
            || case p_action when 'remove' then '/retrait' else '/modifier' end
        when p_action = 'remove' then 'retrait'
        else (select s.path from section s where s.name = p_section) end;

comment on function form_path(text, text, text, bigint, bigint) is
    'Path of the form that a request was sent with, filled with it. Input: path of the person''s page, section, action, contact, request (null: a new one).';


create or replace function request_person(p_set change_set, out seal_id uuid, out kind text,
    out visible boolean, out path text)
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_who  record := subject(p_set.section, jsonb_strip_nulls(jsonb_build_object(
                         'action', p_set.action,
                         'guardian', p_set.guardian_id::text,
                         'child', p_set.child_id::text,
                         'contact', p_set.contact_id::text)));
begin
    seal_id := v_who.seal_id;
    kind := case when p_set.section like 'guardian%' then 'guardian' else 'child' end;
    -- words of one's own say nothing of whom one may no longer see
    visible := v_who.id is not null or p_set.action in ('remove', 'report');
    path := form_path(v_who.back, p_set.section, p_set.action, p_set.contact_id,
                      case when p_set.state in ('sent', 'taken', 'incomplete')
                           then p_set.id end);
end
$$;

comment on function request_person(change_set) is
    'Whether the account may still see what a request of its own is about, how its sealed values open, and the path of its form, a new one where it is over; null when that is no more.';


create or replace function request_items(p_set change_set, p_kind text, p_seal uuid,
    p_hidden boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_all  date := recorded_on(p_set);
begin
    return (
    select coalesce(json_agg(json_build_object('field', i.field,
               'before', item_shown(p_set, '/famille', '-avant', p_kind, p_seal, i.field,
                                    coalesce(f.sealed, false), i.old, i.old_hint),
               'asked', item_shown(p_set, '/famille', '', p_kind, p_seal, i.field,
                                   coalesce(f.sealed, false), i.asked, i.asked_hint),
               'agreement', agreement_shown(i.agreement, day_of((p_set).created_at)),
               'picture', (p_set).section = 'child_photo', 'state', i.state,
               'refused', coalesce(i.state = 'refused', false),
               -- said of each where it is not said of all
               'held_on', case when v_all is null then r.recorded_on end)
               order by coalesce(k.rank, f.rank)), '[]')
      from change_item i
      left join field f on f.section = (p_set).section and f.name = i.field
      left join authorisation_kinds() k on (p_set).section = 'child_authorisations'
                                       and k.code = i.field
      left join recorded_items(p_set) r on r.field = i.field
     where i.tenant = (p_set).tenant
       and i.set_id = (p_set).id
       and (p_hidden or not is_hidden((p_set).section, i.field)));
end
$$;

comment on function request_items(change_set, text, uuid, boolean) is
    'The items of a request as its asker sees them, "held_on" the day since which the town''s software holds one, where it does not hold all; p_hidden: also those of fields that the town has hidden since.';


create or replace function request_reason(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when (p_set).reason is not null or (p_set).reason_code is not null then
        json_build_object('code', (p_set).reason_code, 'text', (p_set).reason,
            'ready', words_sent(p_set,
                                (select a.lang from account a where a.id = me()))) end;
end
$$;

comment on function request_reason(change_set) is
    'Why a request was refused or more is asked for, or null.';


create or replace function reversed_by(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select json_build_object('id', c.id, 'number', c.number, 'at', c.created_at)
              from change_set c
             where c.reverses = p_set.id);
end
$$;

comment on function reversed_by(change_set) is
    'What has undone a request: {"id", "number", "at"}, or null. No request is undone twice.';


create or replace function reverses(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select json_build_object('id', c.id, 'number', c.number)
              from change_set c
             where c.id = p_set.reverses);
end
$$;

comment on function reverses(change_set) is
    'What a request undoes: {"id", "number"}, or null.';


create or replace function request_summary(p_set change_set, p_who record) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_open  boolean := p_set.state in ('sent', 'taken', 'incomplete');
begin
    return json_build_object('id', p_set.id, 'number', p_set.number,
        'version', p_set.version, 'section', p_set.section, 'action', p_set.action,
        'what', what_of(p_set.section, p_set.action), 'adds', p_set.action = 'add',
        'has_items', p_set.action in ('change', 'add'),
        'subject', p_set.subject, 'request_state', shown_state(p_set),
        'open', v_open, 'waits', p_set.state in ('sent', 'taken'),
        'is_incomplete', p_set.state = 'incomplete',
        'is_accepted', p_set.state = 'accepted', 'is_partly', p_set.state = 'partly',
        'is_refused', p_set.state = 'refused', 'is_replaced', p_set.state = 'replaced',
        'is_withdrawn', p_set.state = 'withdrawn',
        'asked_at', p_set.created_at, 'due_on', p_set.due_on,
        'filed_at', p_set.filed_at, 'identified', p_set.identified,
        'decided_at', p_set.decided_at, 'comment', p_set.comment,
        'reason', request_reason(p_set), 'visible', p_who.visible,
        'reversed_by', reversed_by(p_set), 'reverses', reverses(p_set),
        'recorded_on', recorded_on(p_set),
        'edit', case when v_open and p_who.visible then p_who.path end,
        -- the mail of a refusal says that one may ask anew from there
        'again', case when p_set.state = 'refused' and p_who.visible
                           and exists (select from field_policies(p_set.section) p
                                        where p.policy <> 'hidden')
                      then p_who.path end);
end
$$;

comment on function request_summary(change_set, record) is
    'What a list says of a request of the account, "filed_at" and "identified" where an agent filed it at the counter, never which one, "recorded_on" the day since which the town''s software holds all that was accepted, "again" the path of a new form where it was refused, else null: no value, so that one which does not open leaves the list readable. Input: the request, its request_person().';


create or replace function request_document(p_set change_set,
    p_hidden boolean default false)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_who    record := request_person(p_set);
    v_items  json := '[]';
begin
    if v_who.visible then
        v_items := request_items(p_set, v_who.kind, v_who.seal_id, p_hidden);
    end if;

    return (request_summary(p_set, v_who)::jsonb || jsonb_build_object(
        'has_items', json_array_length(v_items) > 0,
        'documents', case when v_who.visible then request_documents(p_set, '/famille')
                          else '[]'::json end,
        'has_documents', v_who.visible and has_documents(p_set),
        'items', v_items))::json;
end
$$;

comment on function request_document(change_set, boolean) is
    'A request of the account as a document: request_summary() with its items and documents. What the account may no longer see is left out, and without p_hidden what the town hides.';


create or replace function asked_of(p_section text, p_action text, p_person record)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_set  change_set := open_request(p_section, p_action, p_person.guardian_id,
                                      p_person.child_id, null);
begin
    return case when v_set.id is not null then request_document(v_set) end;
end
$$;

comment on function asked_of(text, text, record) is
    'The account''s open request of that kind about a person, as a document, or null.';


create or replace function sections_of(p_kind text, p_id bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_base  text := case p_kind when 'guardian' then 'guardian_basic'
                                else 'child_general' end;
    v_days  jsonb := verified_days(p_kind, p_id, my_family());
begin
    return (
        select json_object_agg(x.name, x.document)
          from (select s.name, json_build_object('section', s.name,
                           'edit', w.back || '/' || s.path, 'path', s.path,
                           'verified_on', v_days #> array[s.name, 'verified_on'],
                           'asked', asked_of(s.name, 'change', w)) as document
                  from section s
                 cross join lateral subject(s.name, jsonb_build_object(p_kind, p_id)) w
                 where starts_with(s.name, p_kind || '_')
                   and w.id is not null
                   and exists (select from field_policies(s.name) p
                                where p.policy <> 'hidden')
                 union all
                select 'remove', json_build_object('section', v_base, 'edit', null,
                           'path', w.back || '/retrait', 'verified_on', null,
                           'asked', asked_of(v_base, 'remove', w))
                  from subject(v_base, jsonb_build_object(p_kind, p_id,
                                                          'action', 'remove')) w
                 where w.id is not null
                 union all
                select 'contacts', json_build_object('add', w.back || '/contacts/nouveau',
                           'report', w.back || '/contacts/interdiction',
                           'path', w.back || '/contacts',
                           'verified_on', v_days #> '{child_contact,verified_on}',
                           'asked', asked_contacts(p_id))
                  from subject('child_contact', jsonb_build_object('child', p_id,
                                                                   'action', 'add')) w
                 where p_kind = 'child'
                   and w.id is not null) x);
end
$$;

comment on function sections_of(text, bigint) is
    'What the account may ask for about a person, but for sections that the town hides: {section: {"section", "edit": path of its form, "path", "verified_on": day when it was last verified or null, "asked": the account''s open request or null}}; "remove" is the request to take the person out, "path" its form; of a child "contacts" {"add", "report": paths of forms, "path": what contacts'' forms begin with, "asked": [the account''s open requests about contacts]}.';


create or replace function asked_contacts(p_child bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(request_document(c) order by c.id), '[]')
              from change_set c
             where c.account_id = me()
               and c.family_id = my_family()
               and c.section = 'child_contact'
               and c.child_id = p_child
               and c.state in ('sent', 'taken', 'incomplete'));
end
$$;

comment on function asked_contacts(bigint) is
    'The account''s open requests about contacts of a child, as documents.';


create or replace function asked_additions() returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(request_document(c) order by c.id), '[]')
              from change_set c
             where c.account_id = me()
               and c.family_id = my_family()
               and c.action = 'add'
               and c.section in ('child_general', 'guardian_basic')
               and c.state in ('sent', 'taken', 'incomplete'));
end
$$;

comment on function asked_additions() is
    'The account''s open requests to add somebody to the family, as documents.';


create or replace function my_requests(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return (
        select json_build_object('status', 200,
                   'open', coalesce(json_agg(request_summary(c, request_person(c))
                                             order by c.id desc)
                                    filter (where c.state in ('sent', 'taken', 'incomplete')),
                                    '[]'),
                   'past', coalesce(json_agg(request_summary(c, request_person(c))
                                             order by c.id desc)
                                    filter (where c.state not in ('sent', 'taken',
                                                                  'incomplete')), '[]'))
          from (select r.*
                  from change_set r
                 where r.account_id = me()
                   and r.family_id = my_family()
                 order by r.id desc
                 limit 200) c);
end
$$;

comment on function my_requests(jsonb) is
    'The account''s own requests about the session''s family, the latest 200. Result: {"status": 200, "open": [request_summary()], "past": [..]}. Those of other guardians are theirs.';


create or replace function my_request_row(input jsonb, p_lock boolean) returns change_set
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set  change_set;
begin
    if p_lock then
        perform 1 from account a where a.id = me() for no key update;
    end if;

    select c.* into v_set
      from change_set c
     where c.id = to_id(input->>'request')
       and c.account_id = me()
       and c.family_id = my_family();

    if p_lock and v_set.id is not null then
        perform lock_subject(v_set.guardian_id, v_set.child_id, v_set.family_id);
        select c.* into v_set from change_set c where c.id = v_set.id for update;
    end if;

    return v_set;
end
$$;

comment on function my_request_row(jsonb, boolean) is
    'A request of the account about the session''s family, locked where asked for, or null. Input: request.';


create or replace function my_request(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_set      change_set := my_request_row(input, false);
    v_request  json;
    v_events   json;
begin
    if v_set.id is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_request := request_document(v_set);

    select json_agg(json_build_object('at', e.at, 'event', shown_event(e), 'by', e.by_kind)
                    order by e.version)
      into v_events
      from change_event e
     where e.set_id = v_set.id
       and e.event not in ('released', 'agreed');

    return json_build_object('status', 200, 'version', document_version(v_request),
        'request', v_request, 'events', v_events);
end
$$;

comment on function my_request(jsonb) is
'A request of the account. Input: request. Result: {"status": 200, "version", "request": request_document(), "events": [{"at", "event", "by": family | agent | town}]}; 404 for any other.';


create or replace function withdraw_request(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json := repeated(input);
    v_set      change_set;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;

    v_set := my_request_row(input, true);

    if v_set.id is null then
        perform note('withdraw_change', 'not_allowed', 'change_set',
                     to_id(input->>'request'));
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    v_refusal := stale(input, my_request(input)->>'version');

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    if v_set.state = 'withdrawn' then
        return done(input, moved('/famille/demandes/' || v_set.id, null, 'withdrawn'));
    end if;

    if v_set.state not in ('sent', 'taken', 'incomplete') then
        return done(input, refused('', 'request_decided', 409));
    end if;

    perform withdraw(v_set);

    return done(input, moved('/famille/demandes/' || v_set.id, null, 'withdrawn'));
end
$$;

comment on function withdraw_request(jsonb) is
'Takes back a request that is not decided yet. Input: request, idempotency key. Result: moved to the request; 404; 409 request_decided when the town was first.';


grant execute on function my_requests(jsonb), my_request(jsonb),
    withdraw_request(jsonb) to portal_web;
