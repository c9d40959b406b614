--
-- Files that families send: how they are stored, who is sent them, and the
-- section that is one: a child's photo.
--

set search_path = portal, pg_temp;


create or replace function no_file() returns json
    language sql immutable
    return json_build_object('status', 404, 'errors', json_build_array());

comment on function no_file() is 'The answer to who is sent no file.';


-- storing -----------------------------------------------------------------

create or replace function document_needed(p_section text, p_action text) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when p_action not in ('change', 'report') or p_section = 'child_photo'
                then 'no'
                else coalesce((select d.needed from section_document d
                                where d.section = what_of(p_section, p_action)),
                              case when what_of(p_section, p_action)
                                        in ('guardian_address', 'guardian_tax', 'child_health',
                                            'report_child_contact')
                                   then 'asked' else 'no' end) end;
end
$$;

comment on function document_needed(text, text) is
    'Whether a change of that section, or a report, needs a document: no, asked or required. Address, tax, health (a PAI is a document) and who must not collect a child ask for one where the town has not decided.';


create or replace function document_wanted(p_section text, p_action text, p_open change_set)
    returns text
    language sql stable
    return case when document_needed(p_section, p_action) = 'no'
                     and p_action in ('change', 'report') and p_section <> 'child_photo'
                     and (p_open).state is not distinct from 'incomplete'
                then 'asked' else document_needed(p_section, p_action) end;

comment on function document_wanted(text, text, change_set) is
    'document_needed(), but who is asked to complete a request can always join a document. Input: section, action, the account''s open request.';


create or replace function place_uploads(p_section text, p_guardian bigint, p_child bigint,
    p_open bigint)
    returns setof upload
    language sql stable
begin atomic
    select w.*
      from upload w
     where w.family_id = my_family()
       and w.section = p_section
       and w.guardian_id is not distinct from p_guardian
       and w.child_id is not distinct from p_child
       and w.stored = w.pieces
       and (w.set_id = p_open
            or w.set_id is null and w.created_at > now() - interval '1 day'
               and w.left_at is null and sent_here(w))
       and not exists (select from child_pai p
                        where p.tenant = w.tenant and p.upload_id = w.id
                          and w.set_id is null)
       and not exists (select from child_photo p
                        where p.tenant = w.tenant and p.upload_id = w.id)
     order by w.set_id is null, w.created_at, w.id;
end;

comment on function place_uploads(text, bigint, bigint, bigint) is
    'The files that who asks has sent with that form, which what_of() names: those of their open request p_open, whoever sent them, then those that no request names yet.';


create or replace function same_upload(u jsonb, p_what text, p_guardian bigint,
    p_child bigint)
    returns boolean
    language sql stable
begin atomic
    select exists (select from place_uploads(p_what, p_guardian, p_child, null) w
                    where w.content_mac = decode(u->>'mac', 'hex'));
end;

comment on function same_upload(jsonb, text, bigint, bigint) is
    'Whether the account has sent that very document with that form already, and no request names it yet. Input: "upload" of store_upload(), section and action as what_of() says, guardian, child. The caller holds the family.';


create or replace function upload_begin(u jsonb, p_what text, p_guardian bigint,
    p_child bigint, p_open bigint)
    returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town     town;
    v_waiting  int;
    v_space    bigint;
begin
    -- of a photo the last one counts
    if u->>'store' = 'photo' then
        delete from upload w
         where w.section = p_what and w.child_id = p_child
           and w.set_id is null
           and sent_here(w)
           and not exists (select from child_photo p where p.upload_id = w.id);
    end if;

    if same_upload(u, p_what, p_guardian, p_child) then
        return json_build_object('status', 200, 'kept', true);
    end if;

    if u->>'store' = 'document' and 5 <= (
           select count(*) from place_uploads(p_what, p_guardian, p_child, p_open))
    then
        return refused(u->>'field', 'documents_many');
    end if;

    select t.* into v_town from town t where t.id = here();
    select count(*) filter (where w.set_id is null and w.left_at is null
                            and not exists (select from child_pai p
                                             where p.upload_id = w.id)
                            and not exists (select from child_photo p
                                             where p.upload_id = w.id)), sum(w.size)
      into v_waiting, v_space
      from upload w
     where w.family_id = my_family();

    if v_waiting >= v_town.uploads_waiting then
        return refused(u->>'field', 'uploads_waiting');
    end if;

    if coalesce(v_space, 0) + (u->>'size')::int > v_town.upload_space * 1048576::bigint then
        return refused(u->>'field', 'upload_space');
    end if;

    insert into upload (tenant, id, family_id, account_id, agent_id, asker_id, section,
                        field, guardian_id, child_id, kind, size, pieces, content_mac)
    values (here(), (u->>'id')::uuid, my_family(), me(),
            case asks_as() when 'agent' then my_agent() end, counter_guardian(), p_what,
            u->>'field', p_guardian, p_child, u->>'kind', (u->>'size')::int, (u->>'pieces')::smallint,
            case when u->>'store' = 'document' then decode(u->>'mac', 'hex') end);

    return null;
end
$$;

comment on function upload_begin(jsonb, text, bigint, bigint, bigint) is
    'Makes the row of a file, unless it is there already or the family has too many or too much. Input: "upload" of store_upload(), section and action as what_of() says, guardian, child, the open request. The caller holds the family. Result: null, or the answer to give.';


create or replace function forget_sent(p_id uuid) returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
begin
    delete from upload w
     where w.id = p_id
       and w.set_id is null
       and sent_here(w);

    return found;
end
$$;

comment on function forget_sent(uuid) is
    'Forgets a file that who asks has begun to send and no request names. Result: there was one.';


create or replace function upload_once(u jsonb, p_what text, p_guardian bigint,
    p_child bigint)
    returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if (u->>'piece')::int + 1 <> (u->>'pieces')::int then
        return false;
    end if;

    -- two that come together: the first that is whole is the one
    perform 1 from family f where f.id = my_family() for no key update;

    if not same_upload(u, p_what, p_guardian, p_child) then
        return false;
    end if;

    return forget_sent((u->>'id')::uuid);
end
$$;

comment on function upload_once(jsonb, text, bigint, bigint) is
    'Forgets a document whose last piece comes when the same one is whole already. Input: "upload" of store_upload(), section and action as what_of() says, guardian, child. Result: it was so.';


create or replace function upload_many(input jsonb, p_what text, p_guardian bigint,
    p_child bigint, p_open bigint)
    returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
declare
    u  jsonb := input->'upload';
begin
    if u->>'store' <> 'document' or u->>'piece' = '0'
       or (u->>'piece')::int + 1 <> (u->>'pieces')::int
       or 5 > (select count(*) from place_uploads(p_what, p_guardian, p_child, p_open))
    then
        return false;
    end if;

    -- the same form, pressed twice: it gets its answer, and the function drops this
    if answered(input) then
        return false;
    end if;

    return forget_sent((u->>'id')::uuid);
end
$$;

comment on function upload_many(jsonb, text, bigint, bigint, bigint) is
    'Forgets a document whose last piece comes when others that were begun with it are whole and as many as may be: upload_begin() counts none of those that still come. Input: that of store_upload(), section and action as what_of() says, guardian, child, the open request. The caller holds the family, by upload_once(). Result: it was so.';


create or replace function store_upload(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    u          jsonb := input->'upload';
    v_section  text := input->>'section';
    v_action   text := coalesce(input->>'action', 'change');
    v_who      record;
    v_open     change_set;
    v_answer   json := at_counter(input);
begin
    if v_answer is not null then
        return v_answer;
    end if;

    v_who := subject(v_section, input);

    if v_who.id is null then
        return not_theirs(input);
    end if;

    if (u->>'piece')::int = 0 then
        -- one file of a family after the other, so that none slips past the limits
        perform 1 from family f where f.id = my_family() for no key update;

        -- a form that comes again gets its answer again, whatever holds by now
        if answered(input) then
            return json_build_object('status', 200, 'kept', true);
        end if;
    end if;

    v_open := open_request(v_section, v_action, v_who.guardian_id, v_who.child_id, null);

    -- a picture is a photo's, a document another section's that has one
    if (u->>'store' = 'photo') <> (v_section = 'child_photo')
       or u->>'store' = 'document' and document_wanted(v_section, v_action, v_open) = 'no'
    then
        return refused(u->>'field', 'unknown_field');
    end if;

    if (u->>'piece')::int = 0 then
        v_answer := upload_begin(u, what_of(v_section, v_action), v_who.guardian_id,
                                 v_who.child_id, v_open.id);

        if v_answer->>'status' <> '200' then
            perform note('send_file', v_answer->'errors'->0->>'code');
        end if;

        if v_answer is not null then
            return v_answer;
        end if;
    end if;

    if upload_once(u, what_of(v_section, v_action), v_who.guardian_id,
                   v_who.child_id) then
        return json_build_object('status', 200, 'kept', true);
    end if;

    if upload_many(input, what_of(v_section, v_action), v_who.guardian_id,
                   v_who.child_id, v_open.id) then
        perform note('send_file', 'documents_many');
        return refused(u->>'field', 'documents_many');
    end if;

    update upload w
       set stored = w.stored + 1
     where w.id = (u->>'id')::uuid
       and w.set_id is null
       and sent_here(w)
       and w.stored = (u->>'piece')::int
       and w.stored < w.pieces;

    if not found then
        return no_file();
    end if;

    insert into upload_piece (tenant, upload_id, piece, sealed)
    values (here(), (u->>'id')::uuid, (u->>'piece')::smallint, u->>'sealed');

    return json_build_object('status', 200);
end
$$;

comment on function store_upload(jsonb) is
'Stores one piece of a file that came with a form of a section, the first before the others. Input: section, and guardian or child as the form''s own function has them, at the counter also as of at_counter(); upload: {"id": random uuid, "field", "kind": jpeg | png | pdf, "store": photo | document, "size": bytes of the file, "pieces", "piece": from 0, "sealed"}. Result: {"status": 200}, with "kept" where nothing more of it is needed: the same document is there, or the form has been answered; 404 for what the account may not ask about; 422 documents_many, uploads_waiting, upload_space.';


create or replace function waiting_upload(p_section text, p_guardian bigint, p_child bigint)
    returns upload
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_upload  upload;
begin
    select w.* into v_upload
      from place_uploads(p_section, p_guardian, p_child, null) w
     order by w.created_at desc
     limit 1;

    return v_upload;
end
$$;

comment on function waiting_upload(text, bigint, bigint) is
    'The last file that the account has sent with that form and that no request names, or null.';


create or replace function file_name(p_section text, p_number bigint, p_kind text)
    returns text
    language sql immutable
    return case when p_section = 'child_photo' then 'photo.jpg'
                else 'justificatif-' || p_number || '.'
                     || case p_kind when 'jpeg' then 'jpg' else p_kind end end;

comment on function file_name(text, bigint, text) is
    'What a file is called: never as its sender has called it. Input: section, which of the request''s, kind.';


create or replace function kept_uploads(p_section text, p_guardian bigint, p_child bigint,
    p_open bigint)
    returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('id', w.id, 'number', w.n,
               'name', file_name(p_section, w.n, w.kind), 'file_kind', w.kind,
               'kilobytes', greatest(1, w.size / 1000), 'waits', w.set_id is null)
               order by w.n), '[]')
      from (select u.id, u.kind, u.size, u.set_id, u.ordinality as n
              from place_uploads(p_section, p_guardian, p_child,
                                 case when p_section <> 'child_photo' then p_open end)
                   with ordinality u) w;
end;

comment on function kept_uploads(text, bigint, bigint, bigint) is
    'Files that the account has sent with a form and need not send again: [{"id", "number", "name", "file_kind", "kilobytes", "waits": no request names it yet}].';


create or replace function drop_kept(input jsonb, p_guardian bigint, p_child bigint,
    p_open bigint)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    delete from upload d
     where d.set_id is null
       and d.id = (select w.id
                     from place_uploads(what_of(input->>'section',
                                                coalesce(input->>'action', 'change')),
                                        p_guardian, p_child, p_open) w
                    where w.id::text = input->>'drop');
end
$$;

comment on function drop_kept(jsonb, bigint, bigint, bigint) is
    'Forgets a file that no request names yet; one that is forgotten already is not missed. Input: the form, of which "drop" is the file''s id among kept_uploads(); whom it is about; the open request.';


create or replace function document_faults(input jsonb, p_guardian bigint, p_child bigint,
    p_open bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_action  text := coalesce(input->>'action', 'change');
begin
    if document_needed(input->>'section', v_action) = 'required'
       and not exists (select from place_uploads(what_of(input->>'section', v_action),
                                                 p_guardian, p_child, p_open))
    then
        return fault('document', 'required');
    end if;

    return '[]';
end
$$;

comment on function document_faults(jsonb, bigint, bigint, bigint) is
    'A request that needs a document and has none. Input: the form, whom it is about, the open request. Result: errors.';


create or replace function document_policy(p_section text, p_action text,
    p_open change_set, p_kept json)
    returns text
    language sql stable
    return case document_wanted(p_section, p_action, p_open)
               when 'asked' then 'editable'
               when 'required' then case when json_array_length(p_kept) > 0 then 'editable'
                                         else 'required' end end;

comment on function document_policy(text, text, change_set, json) is
    'Policy of the form''s field for a document; null: it has none. Input: section, action, the account''s open request, kept_uploads().';


create or replace function drop_upload(input jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    delete from upload w
     where w.id in (select (e.value->>'upload')::uuid from jsonb_each(input) e
                     where jsonb_typeof(e.value) = 'object' and e.value ? 'upload')
       and w.set_id is null
       and sent_here(w);
end
$$;

comment on function drop_upload(jsonb) is
    'Forgets the files that came with a form which had been sent before.';


create or replace function drop_unwanted(input jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    delete from upload w
     where w.id in (select (input #>> array[p.name, 'upload'])::uuid
                      from field_policies(input->>'section') p
                     where p.policy in ('hidden', 'shown'))
       and w.set_id is null
       and sent_here(w);
end
$$;

comment on function drop_unwanted(jsonb) is
    'Forgets the files that came with a form for fields that the town does not let families change: no request will name them.';


-- a child's photo ---------------------------------------------------------

create or replace function child_photo_values(p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('photo', p.upload_id)
              from child c
              left join child_photo p on p.tenant = c.tenant and p.child_id = c.id
             where c.id = p_id);
end
$$;

comment on function child_photo_values(bigint) is 'section_values() of child_photo: the file''s id.';


create or replace function child_photo_input(input jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_upload  upload := waiting_upload('child_photo', null, to_id(input->>'child'));
begin
    if input->>'step' = 'remove' then
        return input || '{"photo": null}';
    end if;

    -- the one that came with this form, or with one before it
    if v_upload.id is not null then
        return input || jsonb_build_object('photo', v_upload.id);
    end if;

    return input - 'photo';
end
$$;

comment on function child_photo_input(jsonb) is
    'section_input() of child_photo: the form''s file, the one that was sent before and is kept, or none.';


create or replace function child_photo_faults(v jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if v->>'photo' is not null
       and not exists (select from upload w where w.id = (v->>'photo')::uuid)
    then
        return fault('photo', 'photo_gone');
    end if;

    return '[]';
end
$$;

comment on function child_photo_faults(jsonb) is
    'section_faults() of child_photo: a photo that is no longer kept cannot come back.';


create or replace function child_photo_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_new  uuid := (v->>'photo')::uuid;
begin
    update upload w
       set left_at = now()
      from child_photo p
     where p.child_id = p_id
       and w.tenant = p.tenant and w.id = p.upload_id
       and w.id is distinct from v_new;

    if v_new is null then
        delete from child_photo p where p.child_id = p_id;
    else
        update upload w set left_at = null where w.id = v_new;
        insert into child_photo (tenant, child_id, upload_id)
        values (here(), p_id, v_new)
            on conflict (tenant, child_id) do update
           set upload_id = excluded.upload_id, since = excluded.since;
    end if;
end
$$;

comment on function child_photo_apply(bigint, jsonb) is 'section_apply() of child_photo.';


create or replace function name_uploads(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if p_set.section = 'child_photo' then
        -- completed with another one
        delete from upload w
         where w.set_id = p_set.id
           and w.section = 'child_photo'
           and not exists (select from change_item i
                            where i.set_id = p_set.id
                              and w.id::text in (i.asked #>> '{}', i.old #>> '{}'))
           and not exists (select from child_photo p where p.upload_id = w.id);

        update upload w
           set set_id = p_set.id
          from change_item i
         where i.set_id = p_set.id
           and jsonb_typeof(i.asked) = 'string'
           and w.id = (i.asked #>> '{}')::uuid;
    else
        update upload w
           set set_id = p_set.id, content_mac = null
         where w.id in (select u.id
                          from place_uploads(what_of(p_set.section, p_set.action),
                                             p_set.guardian_id, p_set.child_id,
                                             p_set.replaces) u);
    end if;
end
$$;

comment on function name_uploads(change_set) is
    'From now on the files that came for a request, and those of the one that it takes the place of, are the request''s.';


-- who is sent them --------------------------------------------------------

create or replace function file_document(p_id uuid, input jsonb, p_name text,
    p_attachment boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return coalesce((
        select json_build_object('status', 200, 'upload', w.id, 'kind', w.kind,
                   'size', w.size, 'name', p_name, 'attachment', p_attachment,
                   'sealed', p.sealed)
          from upload w
          join upload_piece p on p.tenant = w.tenant and p.upload_id = w.id
                             and p.piece = coalesce(to_id(input->>'piece'), 0)
         where w.id = p_id
           and w.stored = w.pieces), no_file());
end
$$;

comment on function file_document(uuid, jsonb, text, boolean) is
    'A piece of a file, for portal_file: {"status": 200, "upload", "kind", "size": of the whole, "name": to keep it under, "attachment": it is not to be shown in place, "sealed"}; 404 without one. Input: the file, piece (from 0) of input.';


create or replace function child_photo(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return file_document((
        select p.upload_id
          from child_family m
          join child_photo p on p.tenant = m.tenant and p.child_id = m.child_id
         where m.family_id = my_family()
           and m.child_id = to_id(input->>'child')
           and 'child_photo' = any (seen_by('same_family'))), input, 'photo.jpg', false);
end
$$;

comment on function child_photo(jsonb) is
    'The photo of a child of the session''s family. Input: child, piece. Result: file_document(). Where the town hides the photo no page has it, but « Mes données » still names this address.';


create or replace function item_photo(p_set change_set, p_which text) returns uuid
    language sql stable
    return case when (p_set).section = 'child_photo' then
        (select case p_which
                    when 'asked' then (i.asked #>> '{}')::uuid
                    when 'before' then (i.old #>> '{}')::uuid
                    when 'now' then (select p.upload_id from child_photo p
                                      where p.child_id = (p_set).child_id) end
           from change_item i
          where i.set_id = (p_set).id
            and i.field = 'photo') end;

comment on function item_photo(change_set, text) is
    'A picture of a request. Input: the request; asked, before or now.';


create or replace function request_photo(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_set  change_set := my_request_row(input, false);
    v_who  record := request_person(v_set);
begin
    if v_set.id is null or not v_who.visible then
        return no_file();
    end if;

    return file_document(item_photo(v_set, input->>'which'), input, 'photo.jpg', false);
end
$$;

comment on function request_photo(jsonb) is
    'A picture of a request of the account, while it sees the child. Input: request, which (asked | before), piece. Result: file_document().';


create or replace function agent_photo(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_set  change_set;
begin
    perform require_agent();

    select c.* into v_set from change_set c where c.id = to_id(input->>'request');

    if v_set.id is null or not agent_sees(v_set.section, v_set.family_id, v_set.child_id) then
        return no_file();
    end if;

    return coalesce(may_read(own_request(v_set), false),
                    file_document(item_photo(v_set, input->>'which'), input, 'photo.jpg',
                                  false));
end
$$;

comment on function agent_photo(jsonb) is
    'A picture of a request; the audit says who has read the request itself. Input: request, which (asked | before | now), piece. Result: file_document(); 403 own_family. For agents.';


-- documents of a request -------------------------------------------------

create or replace function request_documents(p_set change_set, p_place text) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(json_build_object(
                       'name', file_name(w.section, w.n, w.kind), 'file_kind', w.kind,
                       'kilobytes', greatest(1, w.size / 1000),
                       'path', p_place || '/demandes/' || (p_set).id || '/justificatif-' || w.n)
                       order by w.n), '[]')
              from (select u.section, u.kind, u.size,
                           row_number() over (order by u.created_at, u.id) as n
                      from upload u
                     where u.tenant = (p_set).tenant
                       and u.set_id = (p_set).id
                       and u.section <> 'child_photo') w);
end
$$;

comment on function request_documents(change_set, text) is
    'The documents of a request: [{"name", "file_kind", "kilobytes", "path"}]. Input: the request, what its pages'' paths begin with.';


create or replace function has_documents(p_set change_set) returns boolean
    language sql stable
    return exists (select from upload u
                    where u.tenant = (p_set).tenant and u.set_id = (p_set).id
                      and u.section <> 'child_photo');

comment on function has_documents(change_set) is 'Whether a request has documents.';


create or replace function document_file(p_set change_set, input jsonb) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_file  record;
begin
    select u.id, u.kind into v_file
      from upload u
     where u.set_id = p_set.id
       and u.section <> 'child_photo'
     order by u.created_at, u.id
    offset greatest(to_id(input->>'document') - 1, 0)
     limit 1;

    return file_document(v_file.id, input, file_name(p_set.section,
                         to_id(input->>'document'), v_file.kind), true);
end
$$;

comment on function document_file(change_set, jsonb) is
    'A document of a request, to be kept and not shown. Input: the request; document: its number, piece. Result: file_document().';


create or replace function request_document_file(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_set  change_set := my_request_row(input, false);
    v_who  record := request_person(v_set);
begin
    if v_set.id is null or not v_who.visible then
        return no_file();
    end if;

    return document_file(v_set, input);
end
$$;

comment on function request_document_file(jsonb) is
    'A document of a request of the account, while it sees whom that is about. Input: request, document (number), piece. Result: file_document().';


create or replace function agent_document_file(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_set      change_set;
    v_result   json;
    v_refusal  json;
begin
    perform require_agent();

    select c.* into v_set from change_set c where c.id = to_id(input->>'request');

    if v_set.id is null or not agent_sees(v_set.section, v_set.family_id, v_set.child_id) then
        return no_file();
    end if;

    v_result := document_file(v_set, input);

    -- who has read a family's papers is kept
    if v_result->>'status' = '200' and coalesce(to_id(input->>'piece'), 0) = 0 then
        v_refusal := may_read(own_request(v_set), true);
        perform note('read_document', read_outcome(v_refusal), 'change_set', v_set.id);
    elsif own_request(v_set) then
        v_refusal := no_file();
    end if;

    return coalesce(v_refusal, v_result);
end
$$;

comment on function agent_document_file(jsonb) is
    'A document of a request; the audit says who has read it. Input: request, document (number), piece. Result: file_document(); 403 own_family; 429 too_many_readings. For agents.';


grant execute on function store_upload(jsonb), child_photo(jsonb), request_photo(jsonb),
    agent_photo(jsonb), request_document_file(jsonb), agent_document_file(jsonb)
   to portal_web;
