--
-- The town's side of the requests: one request at a time in three columns, and
-- what an agent decides.  queue.sql is how they are found.
--

set search_path = portal, pg_temp;


-- one request -------------------------------------------------------------

create or replace function request_subject(p_set change_set) returns bigint
    language sql immutable
    return case when (p_set).section = 'child_contact'
                     and (p_set).action in ('change', 'remove')
                then (p_set).contact_id
                else coalesce((p_set).contact_id, (p_set).child_id, (p_set).guardian_id)
           end;

comment on function request_subject(change_set) is
    'Id of what a request changes; null: it is no more.';


create or replace function decision_items(p_set change_set, p_now jsonb)
    returns table (field text, rank smallint, sealed boolean, old jsonb, old_hint text,
                   now jsonb, now_hint text, asked jsonb, asked_hint text,
                   agreement jsonb, state text, conflict boolean, done boolean)
    language sql stable
begin atomic
    select i.field, coalesce(k.rank, f.rank), coalesce(f.sealed, false), i.old, i.old_hint,
           coalesce(p_now->i.field, 'null'), p_now #>> array['_hint', i.field],
           i.asked, i.asked_hint, i.agreement, i.state,
           not same(i.old, i.old_mac, p_now->i.field, value_mac(p_now, i.field))
           and not same(i.asked, i.asked_mac, p_now->i.field, value_mac(p_now, i.field)),
           same(i.asked, i.asked_mac, p_now->i.field, value_mac(p_now, i.field))
      from change_item i
      left join field f on f.section = (p_set).section and f.name = i.field
      left join authorisation_kinds() k on (p_set).section = 'child_authorisations'
                                       and k.code = i.field
     where i.tenant = (p_set).tenant
       and i.set_id = (p_set).id;
end;

comment on function decision_items(change_set, jsonb) is
    'The items of a request beside what the file holds now: what the family saw, now, asked; conflict where both have moved; done where the file says already what is asked.';


create or replace function decision_rest(p_set change_set, p_now jsonb)
    returns table (field text, rank smallint, sealed boolean, known boolean, old jsonb,
                   old_hint text, now jsonb, now_hint text, conflict boolean)
    language sql stable
begin atomic
    select f.name, f.rank, f.sealed, r.was is not null, coalesce(r.was->'value', 'null'),
           r.was->>'hint', coalesce(p_now->f.name, 'null'),
           p_now #>> array['_hint', f.name],
           case when r.was is null then false
                when not f.sealed then not same(r.was->'value', null, p_now->f.name, null)
                when value_mac(p_now, f.name) is null or r.was->>'mac' is null
                then r.was->>'hint' is distinct from p_now #>> array['_hint', f.name]
                else r.was->>'mac' <> encode(value_mac(p_now, f.name), 'hex') end
      from section s
      join field f on f.section = s.name
     cross join lateral (select (p_set).rest->f.name as was) r
     where s.name = (p_set).section
       and s.whole
       and (p_set).action = 'change'
       and (p_set).state in ('sent', 'taken')
       and p_now is not null
       and not exists (select from change_item i
                        where i.tenant = (p_set).tenant and i.set_id = (p_set).id
                          and i.field = f.name);
end;

comment on function decision_rest(change_set, jsonb) is
    'The fields that an open change of a section decided whole does not ask about, since they stay in the file beside what it asks: what they were when it was asked for (known: that was kept), now; conflict where they have moved since.';


create or replace function refusals(p_kind text) returns json
    language sql stable
    return coalesce((select json_agg(json_build_object('code', r.code,
                                'text', r.texts->>'fr') order by r.rank, r.code)
                       from refusal r
                      where r.kind = p_kind), '[]'::json);

comment on function refusals(text) is 'The town''s ready words for an act: refused or incomplete.';


create or replace function decision_now(p_set change_set) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when p_set.action = 'change' and request_subject(p_set) is not null
                then section_values(p_set.section, request_subject(p_set)) end;
end
$$;

comment on function decision_now(change_set) is
    'What the file holds of the section that a request changes; null where it changes none.';


create or replace function decision_version(p_set change_set, p_now jsonb) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return document_version(to_json(p_set.id), to_json(p_set.version), p_now::json,
                            reversed_by(p_set));
end
$$;

comment on function decision_version(change_set, jsonb) is
    'Version of decision_document(), which a decision names: of the request, of what the file holds and of what has undone it. Input: request, decision_now().';


create or replace function whole_only(p_set change_set) returns boolean
    language sql stable
    return (p_set).action not in ('change', 'add')
           or exists (select from section s
                       where s.name = (p_set).section and s.whole);

comment on function whole_only(change_set) is
    'Whether a request is accepted or refused as it is: half an address is none, and nobody is taken out or reported in part.';


create or replace function who_leaves(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when p_set.action = 'remove' then case p_set.section
        when 'child_contact' then
            (select json_build_object('is_contact', true, 'link', k.link,
                        'phone_mobile', k.phone_mobile, 'phone_home', k.phone_home,
                        'collect', k.collect, 'emergency', k.emergency)
               from contact k
              where k.id = p_set.contact_id)
        when 'guardian_basic' then
            (select json_build_object('is_guardian', true, 'link', g.link,
                        'authority', g.authority,
                        'connected', exists (select from subscription u
                                              where u.guardian_id = g.id
                                                and u.ended_at is null))
               from guardian g
              where g.id = p_set.guardian_id)
        when 'child_general' then
            (select json_build_object('is_child', true, 'birth_date', c.birth_date)
               from child_family m
               join child c on c.tenant = m.tenant and c.id = m.child_id
              where m.family_id = p_set.family_id
                and m.child_id = p_set.child_id)
        end end;
end
$$;

comment on function who_leaves(change_set) is
    'Whom a request would take out of the file, as an agent has to know them: {"is_contact", "link", "phone_mobile", "phone_home", "collect", "emergency"}, {"is_guardian", "link", "authority", "connected": an account is} or {"is_child", "birth_date"}; null of another request, and of somebody who is no more there.';


create or replace function same_matter(p_one change_set, p_other change_set)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- who must not collect a child is said in words: it may be anybody
    if 'report' in (p_one.action, p_other.action) then
        return true;
    end if;

    if (p_one.action = 'add') <> (p_other.action = 'add')
       or not (case when p_one.action = 'add'
                    then fold(p_one.subject) = fold(p_other.subject)
                    else coalesce(request_subject(p_one) = request_subject(p_other),
                                  p_one.subject = p_other.subject) end)
    then
        return false;
    end if;

    return p_one.action <> 'change' or p_other.action <> 'change'
           or exists (select from section s where s.name = p_one.section and s.whole)
           or exists (select
                        from change_item i
                        join change_item j on j.tenant = i.tenant and j.field = i.field
                       where i.set_id = p_one.id
                         and j.set_id = p_other.id);
end
$$;

comment on function same_matter(change_set, change_set) is
    'Whether two requests about one section of one guardian, child or family have something in common: the same person and a field at least. Additions are the same person where the names are; a report may be about anybody.';


create or replace function decision_document(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_kind      text := case when p_set.section like 'guardian%' then 'guardian' else 'child' end;
    v_seal      uuid := coalesce((select g.seal_id from guardian g
                                   where g.id = p_set.guardian_id),
                                 (select c.seal_id from child c where c.id = p_set.child_id));
    v_open      boolean := p_set.state in ('sent', 'taken');
    v_leaves    json := who_leaves(p_set);
    v_same      jsonb := case when v_open then namesakes(p_set, asked_values('{}',
                             stored_items(p_set.id, false))) else '[]' end;
    v_now       jsonb := decision_now(p_set);
    v_version   text := decision_version(p_set, v_now);
    v_gone      boolean := subject_gone(p_set);
    -- of who has gone no field can be accepted
    v_whole     boolean := whole_only(p_set) or v_open and v_gone;
    v_filed     boolean := own_filing(p_set);
    v_agreed    change_event := awaits_second(p_set);
    v_decides   boolean := v_open and not v_filed
                           and my_role() in ('validator', 'administrator');
    v_close     boolean := p_set.state = 'incomplete' and not v_filed
                           and my_role() in ('validator', 'administrator');
    v_reversed  json := reversed_by(p_set);
    v_reverse   boolean := p_set.state in ('accepted', 'partly')
                           and (p_set.action = 'change' and not v_gone
                                or p_set.action = 'remove' and is_removed(p_set)
                                or p_set.action = 'add'
                                   and change_faults(as_removal(p_set)) = '[]')
                           and v_reversed is null and not v_filed
                           and not undid_iban(p_set)
                           and my_role() in ('validator', 'administrator');
    v_items     json;
    v_conflict  boolean;
    v_rest      json;
    v_moved     boolean;
begin
    select coalesce(json_agg(json_build_object('field', r.field, 'known', r.known,
               'before', shown(v_kind, v_seal, r.field, r.sealed, r.old, r.old_hint),
               'now', shown(v_kind, v_seal, r.field, r.sealed, r.now, r.now_hint),
               'conflict', r.conflict) order by r.rank), '[]'),
           coalesce(bool_or(r.conflict), false)
      into v_rest, v_moved
      from decision_rest(p_set, v_now) r;

    select coalesce(json_agg(json_build_object('field', i.field,
               'before', item_shown(p_set, '', '-avant', v_kind, v_seal, i.field, i.sealed,
                                    i.old, i.old_hint),
               'now', item_shown(p_set, '', '-actuelle', v_kind, v_seal, i.field, i.sealed,
                                 i.now, i.now_hint),
               'asked', item_shown(p_set, '', '', v_kind, v_seal, i.field, i.sealed,
                                   i.asked, i.asked_hint),
               'picture', p_set.section = 'child_photo',
               'agreement', agreement_shown(i.agreement, day_of(p_set.created_at)),
               'conflict', i.conflict, 'done', i.done, 'state', i.state,
               'withdrawn_on', (select k.withdrawn_on from authorisation_kinds() k
                                 where p_set.section = 'child_authorisations'
                                   and k.code = i.field),
               'other_answer', case when p_set.section = 'child_authorisations' and v_open
                   then other_answer(p_set.child_id, i.field, i.asked #>> '{}',
                                     p_set.asker_id) end,
               'refused', coalesce(i.state = 'refused', false)) order by i.rank), '[]'),
           coalesce(bool_or(i.conflict), false)
      into v_items, v_conflict
      from decision_items(p_set, v_now) i;

    return json_build_object('status', 200, 'version', v_version,
        'request', (queue_row(p_set)::jsonb || jsonb_build_object(
            'decided_at', p_set.decided_at, 'decided_by', agent_name(p_set.decided_by),
            'asker', (select g.first_name || ' ' || g.last_name from guardian g
                       where g.id = p_set.asker_id),
            'asker_link', (select g.link from guardian g where g.id = p_set.asker_id),
            'filed_at', p_set.filed_at, 'filed_by', agent_name(p_set.filed_by),
            'identified', p_set.identified, 'agreed_at', v_agreed.at,
            'own_agreement', coalesce(v_agreed.by_id = my_agent(), false),
            'unheard', p_set.account_id is null and p_set.filed_by is not null,
            'comment', p_set.comment, 'reason', request_reason(p_set),
            'open', v_open, 'gone', p_set.state in ('replaced', 'withdrawn'),
            'whole', v_whole, 'reversed_by', v_reversed, 'reverses', reverses(p_set),
            'ends_access', v_open and coalesce((v_leaves->>'connected')::boolean, false),
            'subject_gone', v_open and v_gone))::json,
        'items', v_items, 'has_items', json_array_length(v_items) > 0,
        'has_other_answers', exists (select from json_array_elements(v_items) x
                                      where json_typeof(x->'other_answer') = 'object'),
        'rest', v_rest, 'leaves', v_leaves,
        'namesakes', v_same, 'has_namesakes', v_same <> '[]',
        'conflict', v_open and (v_conflict or v_moved),
        'iban_page', iban_page(p_set),
        'documents', request_documents(p_set, ''), 'has_documents', has_documents(p_set),
        'bans', child_bans(p_set.child_id),
        'ban', (select b.id from collect_ban b where b.set_id = p_set.id),
        'others', (select coalesce(json_agg(json_build_object('id', o.id,
                              'number', o.number, 'what', what_of(o.section, o.action),
                              'subject', o.subject, 'asked_at', o.created_at) order by o.id),
                              '[]')
                     from change_set o
                    where o.id <> p_set.id
                      and o.section = p_set.section
                      and (o.family_id = p_set.family_id
                           and o.guardian_id is not distinct from p_set.guardian_id
                           and o.child_id is not distinct from p_set.child_id
                           -- a child's file is one, in both its households; its
                           -- contacts are each one's own, who must not collect is not
                           or o.child_id = p_set.child_id
                              and (o.action = 'change' and p_set.action = 'change'
                                   and o.section <> 'child_contact'
                                   or 'report' in (o.action, p_set.action)))
                      and o.state in ('sent', 'taken', 'incomplete')
                      and same_matter(o, p_set)),
        'events', (select json_agg(json_build_object('at', e.at, 'event', shown_event(e),
                              'agent', case e.by_kind when 'agent' then agent_name(e.by_id)
                                       end) order by e.version)
                     from change_event e
                    where e.set_id = p_set.id),
        'refusals', refusals('refused'), 'incompletes', refusals('incomplete'),
        'next', (select o.id
                   from my_requests_seen() o
                  where o.state = 'sent' and o.id <> p_set.id
                    and not own_request(o)
                  order by o.urgent desc, o.created_at, o.id
                  limit 1),
        'decides', v_decides, 'own_filing', v_filed and has_filed(p_set, my_agent()),
        'rights_new', v_filed and not has_filed(p_set, my_agent()),
        'may_reverse', v_reverse, 'may_close', v_close,
        'told', told_changes(p_set), 'has_told', exists (select from change x
                                                         where x.set_id = p_set.id),
        'policy', (select coalesce(json_object_agg(p.name, p.policy), '{}')
                     from (select i->>'field' as name, 'required' as policy
                             from json_array_elements(v_items) i
                            where v_decides and not v_whole
                            union all
                           select w, 'editable'
                             from unnest(array['reason_code', 'reason']) w
                            -- ready words are for these answers
                            where v_decides or v_close or v_reverse and w = 'reason'
                            union all
                           select 'other_person', 'editable'
                            where v_decides and v_same <> '[]') p),
        'values', json_build_object('version', v_version));
end
$$;

comment on function decision_document(change_set) is
    'A request as an agent decides it: three columns, the other fields of what is decided whole, who would leave, whom the file has already under the name of who would come (namesakes()), bans that hold for the child, the one that was recorded by this request, other open requests about the same, those of the child''s other household too, history, what became of it in the town''s software ("told"), the town''s ready words, the next request that nobody has taken, "own_filing": the agent has filed it at the counter and another one decides it, "rights_new": it was filed and the agent is_new(), "may_close": it waits for the family, and can only be refused; "policy" says what there is to answer: each item where it can be accepted in part, the reason, whether a namesake is another person.';


create or replace function agent_limit(p_what text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_wait  int := take('agent_' || p_what, int8send(my_agent()),
                        (select case p_what when 'decisions' then t.agent_decisions
                                            else t.agent_readings end
                           from town t where t.id = here()), '1 hour');
begin
    return case when v_wait > 0 then
        json_build_object('status', 429, 'wait', v_wait, 'errors', json_build_array(
            json_build_object('field', '', 'code', case p_what
                when 'decisions' then 'too_many_decisions'
                when 'filings' then 'too_many_filings'
                else 'too_many_readings' end))) end;
end
$$;

comment on function agent_limit(text) is
    'Counts what an agent does: a town says how much of it in an hour is more than a person''s work. Input: decisions, readings or filings (requests at the counter, as many as readings). Result: null to go on, or 429 too_many_decisions, too_many_readings, too_many_filings with "wait".';


create or replace function may_read(p_own boolean, p_counts boolean) returns json
    language plpgsql set search_path = portal, pg_temp as $$
begin
    return case when p_own then refused('', 'own_family', 403)
                when p_counts then agent_limit('readings') end;
end
$$;

comment on function may_read(boolean, boolean) is
    'Why an agent may not read something: it is about their own family, or they have read as much as an hour holds. Input: it is about their family; it counts among their readings. Result: null to go on, 403 own_family, or 429 as agent_limit().';


create or replace function read_outcome(p_refusal json) returns text
    language sql immutable
    return case coalesce(p_refusal #>> '{errors,0,code}', 'ok')
               when 'too_many_readings' then 'too_many'
               else coalesce(p_refusal #>> '{errors,0,code}', 'ok') end;

comment on function read_outcome(json) is 'What the audit says of a reading. Input: may_read().';


create or replace function agent_request(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_set      change_set;
    v_action   text := 'read_request';
    v_refusal  json;
begin
    perform require_agent();

    select c.* into v_set
      from change_set c
     where c.id = to_id(input->>'request')
       and agent_sees(c.section, c.family_id, c.child_id);

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    if exists (select from field f where f.section = v_set.section and f.sealed) then
        v_action := 'read_' || split_part(v_set.section, '_', 2);
    end if;

    v_refusal := may_read(own_request(v_set), v_action <> 'read_request');

    -- who has seen a family's data is kept, whatever they decide; the audit
    -- outlives the request, so that it says itself where that was sealed data
    perform note(v_action, read_outcome(v_refusal), 'change_set', v_set.id);

    return coalesce(v_refusal, decision_document(v_set));
end
$$;

comment on function agent_request(jsonb) is
    'A request to be decided; the audit says who has read it (read_request; read_tax, read_bank, read_health where sealed data is seen). Input: request. Result: decision_document(); 404; 403 own_family; of sealed data 429 too_many_readings. For agents.';


-- deciding ----------------------------------------------------------------

create or replace function locked_request(input jsonb, out request change_set,
    out refusal json)
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_step     text := input->>'step';
    v_version  text;
begin
    select c.* into request from change_set c where c.id = to_id(input->>'request');

    if request.id is null then
        refusal := json_build_object('status', 404, 'errors', json_build_array());
        return;
    end if;

    -- the person first, as families' own requests do
    perform lock_subject(request.guardian_id, request.child_id, request.family_id);
    select c.* into request from change_set c where c.id = request.id for update;

    -- as if it were not there; a child may have changed school until now
    if not agent_sees(request.section, request.family_id, request.child_id) then
        refusal := json_build_object('status', 404, 'errors', json_build_array());
        return;
    end if;

    v_version := decision_version(request, decision_now(request));

    refusal := case
        when own_request(request) then refused('', 'own_family', 403)
        when own_filing(request) then refused('', case
            when has_filed(request, my_agent()) then 'own_filing' else 'rights_new' end, 403)
        when request.state in ('replaced', 'withdrawn') then refused('', 'request_gone', 409)
        when v_step <> 'reverse' and request.state not in ('sent', 'taken')
             -- who never completes it keeps nothing open for ever
             and (v_step, request.state) <> ('refuse', 'incomplete')
            then refused('', 'request_decided', 409)
        -- what a parent has reported is ended by its own page
        when v_step = 'reverse' and (request.state not in ('accepted', 'partly')
                                     or request.action = 'report')
            then refused('', 'request_not_accepted', 409)
        -- what one has undone is not accepted again by one
        when v_step = 'reverse' and undid_iban(request)
            then refused('', 'request_not_accepted', 409)
        when v_step = 'reverse' and reversed_by(request) is not null
            then refused('', 'request_reversed', 409)
        when input->>'version' is null
             and jsonb_typeof(input->'_'->'if_match') is distinct from 'array'
            then refused('', 'version_needed', 428)
        when v_step not in ('take', 'release') and request.taken_by <> my_agent()
             and request.state <> 'incomplete'
            then refused('', 'taken_by_other', 409)
        else coalesce(stale(input, v_version),
                 case when input->>'version' <> v_version
                      then refused('', 'request_changed', 409) end) end;
end
$$;

comment on function locked_request(jsonb) is
'A request for an act of an agent: the person and the request locked, or why not. Input: request, step, version of the page (or If-Match). Refusals: 404, also of what the agent does not see; 403 own_family, own_filing, rights_new; 409 request_gone, request_decided, request_not_accepted, request_reversed, taken_by_other, request_changed; 428 version_needed.';


create or replace function lone_days(p_set change_set) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_values  jsonb := case when p_set.section = 'child_health' then change_values(p_set) end;
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('field', i.field,
                       'code', 'lone_day') order by i.field), '[]')
              from change_item i
             where i.set_id = p_set.id
               and i.state = 'accepted'
               and i.asked <> 'null'
               and i.field in ('pai_start', 'pai_end', 'vaccines_until')
               and not field_asked(i.field, v_values));
end
$$;

comment on function lone_days(change_set) is
    'Days of a request about a child''s health that are accepted without the answer that they belong to: they would be told and not written. Input: the request, its items marked. Result: errors lone_day.';


create or replace function undecided(p_set change_set, p_step text, input jsonb)
    returns jsonb
    language sql stable
    return (select coalesce(jsonb_agg(jsonb_build_object('field', i.field,
                       'code', 'undecided') order by i.field), '[]')
              from change_item i
             where i.tenant = (p_set).tenant
               and i.set_id = (p_set).id
               and p_step = 'partly'
               and input->>i.field is null);

comment on function undecided(change_set, text, jsonb) is
    'Fields of a request that an agent who accepts in part says nothing of. Input: request, step, answers. Result: errors.';


create or replace function mark_items(p_set change_set, p_step text, input jsonb)
    returns jsonb
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_missing  jsonb := undecided(p_set, p_step, input);
begin
    if v_missing <> '[]' then
        return v_missing;
    end if;

    update change_item i
       set state = case when p_step = 'accept' or input->>i.field = 'accept'
                        then 'accepted' else 'refused' end
     where i.set_id = p_set.id;

    return lone_days(p_set);
end
$$;

comment on function mark_items(change_set, text, jsonb) is
    'Notes of each item whether it is accepted. Input: request, step (accept | partly | refuse), of partly each field''s accept or refuse. Result: errors: undecided(), lone_days().';


create or replace function decide(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step    text := input->>'step';
    v_counts  boolean := input->>'step' not in ('take', 'release');
    v_again   json;
    v_limit   json;
    v_locked  record;
    v_result  json;
begin
    perform require_agent('validator', 'administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    -- before anything is locked: an agent's decisions come one after another
    if v_counts then
        v_limit := agent_limit('decisions');
    end if;

    if v_limit is null then
        v_locked := locked_request(input);
    else
        select c as request, v_limit as refusal into v_locked
          from (select) one
          left join change_set c on c.id = to_id(input->>'request');
    end if;

    v_result := case
        when v_locked.refusal is not null then v_locked.refusal
        when v_step in ('take', 'release') then take_request(v_locked.request, v_step)
        when v_step = 'partly' and whole_only(v_locked.request)
            then refused('', 'whole_only')
        when v_step in ('refuse', 'incomplete', 'partly', 'reverse')
             and input->>'reason' is null and input->>'reason_code' is null
             and not (v_step = 'partly' and all_accepted(v_locked.request, input))
            then json_build_object('status', 422,
                     'errors', undecided(v_locked.request, v_step, input)
                               || fault('reason', case v_step when 'reverse'
                                                  then 'reason_undo'
                                                  else 'reason_needed' end))
        when input->>'reason_code' is not null
             and (v_step = 'reverse'
                  or not exists (select from refusal r where r.code = input->>'reason_code'))
            then refused('reason_code', 'choice')
        when v_step = 'incomplete' then ask_more(v_locked.request, input)
        when v_step = 'reverse' then reverse_request(v_locked.request, input)
        else conclude(v_locked.request, v_step, input) end;

    -- what was done has its row; so has what was not
    if (v_result->>'status')::int >= 400 then
        perform note('decide', coalesce(v_result->'errors'->0->>'code', 'unknown'),
                     'change_set', (v_locked.request).id);

        -- what was not done is none
        if v_counts and v_limit is null then
            perform give_back('agent_decisions', int8send(my_agent()));
        end if;
    end if;

    return done(input, v_result);
end
$$;

comment on function decide(jsonb) is
'An act of an agent on a request. Input: request, step (take | release | accept | partly | incomplete | refuse | reverse; refuse also ends what the family was asked to complete), version of the page or If-Match, reason_code, reason (one of them is needed unless all is accepted), of partly each field''s accept or refuse, other_person: yes where somebody is added beside their namesakes(); idempotency key.
Result: moved to the request; see locked_request(), mark_items(), agree() for refusals; 422 whole_only of partly where it is all or nothing, reason_needed, reason_undo, same_person (the file has who would be added, unless the agent says that it is another person); 429 too_many_decisions, see agent_limit(). File, request, history, audit and mail change together. For validators and administrators.';


create or replace function all_accepted(p_set change_set, input jsonb) returns boolean
    language sql stable
    return not exists (select from change_item i
                        where i.tenant = (p_set).tenant and i.set_id = (p_set).id
                          and input->>i.field is distinct from 'accept');

comment on function all_accepted(change_set, jsonb) is
    'Whether a decision field by field accepts each of them.';


create or replace function take_request(p_set change_set, p_step text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if p_step = 'take' then
        perform change_step(p_set.id, 'taken', 'taken', 'agent', my_agent());
    elsif p_set.state = 'taken' then
        perform change_step(p_set.id, 'released', 'sent', 'agent', my_agent());
    end if;

    perform note(p_step || '_request', 'ok', 'change_set', p_set.id);

    return moved('/demandes/' || p_set.id, null,
                 case p_step when 'take' then 'request_taken' else 'request_released' end);
end
$$;

comment on function take_request(change_set, text) is
    'An agent takes a request in charge, from another one too, or gives it back.';


create or replace function ask_more(p_set change_set, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set  change_set := change_step(p_set.id, 'incomplete', 'incomplete', 'agent',
                             my_agent(), input->>'reason_code', input->>'reason');
begin
    perform note('decide', 'incomplete', 'change_set', v_set.id);
    perform change_mail(v_set, 'change_incomplete');

    return moved('/demandes/' || v_set.id, null, 'request_incomplete');
end
$$;

comment on function ask_more(change_set, jsonb) is
    'Gives a request back to the family, which completes or withdraws it.';


create or replace function conclude(p_set change_set, p_step text, input jsonb)
    returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_errors  jsonb;
    v_state   text;
    v_set     change_set;
begin
    if p_step <> 'refuse' and subject_gone(p_set) then
        return refused('', 'subject_gone', 409);
    end if;

    v_errors := mark_items(p_set, p_step, input);

    -- of what is refused line by line nothing is written either
    if v_errors = '[]' and p_step <> 'refuse'
       and not (p_step = 'partly' and not exists (select
                                                    from change_item i
                                                   where i.set_id = p_set.id
                                                     and i.state = 'accepted'))
    then
        v_errors := change_faults(p_set);

        if v_errors = '[]' and input->>'other_person' is distinct from 'yes'
           and namesakes(p_set, change_values(p_set)) <> '[]'
        then
            v_errors := fault('other_person', 'same_person');
        end if;
    end if;

    if v_errors <> '[]' then
        update change_item i set state = null where i.set_id = p_set.id;
        return json_build_object('status', 422, 'errors', v_errors);
    end if;

    select case when bool_and(i.state = 'accepted') then 'accepted'
                when bool_or(i.state = 'accepted') then 'partly'
                else case p_step when 'accept' then 'accepted' else 'refused' end end
      into v_state
      from change_item i
     where i.set_id = p_set.id;

    if gives_iban(p_set) and second_bars(p_set, my_agent()) then
        update change_item i set state = null where i.set_id = p_set.id;
        return agree(p_set);
    end if;

    if v_state <> 'refused' then
        perform keep_found(p_set);
        perform end_access(p_set);
        perform write_change(p_set);
    end if;

    v_set := change_step(p_set.id, v_state, v_state, 'agent', my_agent(),
                         case when v_state <> 'accepted' then input->>'reason_code' end,
                         input->>'reason');
    perform note('decide', v_state, 'change_set', v_set.id);
    perform change_mail(v_set, 'change_' || v_state);

    return moved('/demandes/' || v_set.id, null, 'request_' || v_state);
end
$$;

comment on function conclude(change_set, text, jsonb) is
    'Accepts, accepts in part or refuses a locked request, and writes what was accepted into the file; or, of an IBAN that takes two agents, notes the first one''s word, see agree().';


grant execute on function agent_request(jsonb), decide(jsonb) to portal_web;
