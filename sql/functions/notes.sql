--
-- Notes of agents on a family: written and withdrawn, never edited.
--

set search_path = portal, pg_temp;


create or replace function note_row(p_note family_note) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return jsonb_build_object('id', p_note.id, 'text', p_note.text,
        'written_at', p_note.written_at, 'written_by', agent_name(p_note.written_by),
        'withdrawn_at', p_note.withdrawn_at, 'withdrawn_by', agent_name(p_note.withdrawn_by));
end
$$;

comment on function note_row(family_note) is
    'A note as agents read it: {"id", "text": null once withdrawn, "written_at", "written_by", "withdrawn_at", "withdrawn_by"}.';


create or replace function own_family(p_family bigint) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return is_agents_family(null, array[p_family] || array(
        select o.family_id
          from child_family m
          join child_family o on o.tenant = m.tenant and o.child_id = m.child_id
         where m.family_id = p_family));
end
$$;

comment on function own_family(bigint) is
    'Whether a family is the agent''s own, or the other household of its children.';


create or replace function agent_notes(p_family bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_own  boolean := own_family(p_family);
begin
    return json_build_object('own', v_own,
        'writes', not v_own and my_role() in ('validator', 'administrator'),
        'list', (select coalesce(json_agg(note_row(n) order by n.id desc), '[]')
                   from family_note n
                  where n.family_id = p_family
                    and not v_own));
end
$$;

comment on function agent_notes(bigint) is
    'The notes on a family as its page shows them to the agent who asks: {"own": their own family, whose notes they do not read here, "writes": they may add and withdraw, "list": [note_row()], the latest first}.';


create or replace function family_data_notes(p_family bigint) returns json
    language sql stable
    return (select coalesce(json_agg(json_build_object('text', n.text,
                       'written_at', n.written_at, 'withdrawn_at', n.withdrawn_at)
                       order by n.id desc), '[]')
              from family_note n
             where n.family_id = p_family);

comment on function family_data_notes(bigint) is
    'The notes on a family as « Mes données » tells them: what was noted and when, not by whom. Of one that was withdrawn only that it was there.';


create or replace function add_note(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family   family;
    v_again    json;
    v_refusal  json;
    v_id       bigint;
begin
    perform require_agent('validator', 'administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    v_family := agent_family_row(input);

    v_refusal := case when v_family.id is null
                      then json_build_object('status', 404, 'errors', json_build_array())
                      when own_family(v_family.id) then refused('', 'own_family', 403)
                      else agent_limit('decisions') end;

    if v_refusal is not null then
        perform note('add_note', coalesce(v_refusal #>> '{errors,0,code}', 'unknown'),
                     'family', v_family.id);
        return done(input, v_refusal);
    end if;

    insert into family_note (tenant, family_id, text, written_by)
    values (here(), v_family.id, input->>'text', my_agent())
    returning id into v_id;

    perform note('add_note', 'ok', 'family_note', v_id);

    return done(input, moved('/familles/' || v_family.id, null, 'note_added'));
end
$$;

comment on function add_note(jsonb) is
'An agent notes something about a family. Input: family, text; idempotency key. Result: moved to the family''s page. Errors: 404; 403 own_family; 429 too_many_decisions. For validators and administrators.';


create or replace function agent_note(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family   family := agent_family_row(input);
    v_note     family_note;
    v_refusal  json;
begin
    perform require_agent();

    select n.* into v_note
      from family_note n
     where n.id = to_id(input->>'note') and n.family_id = v_family.id;

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_refusal := may_read(own_family(v_family.id), true);
    perform note('read_note', read_outcome(v_refusal), 'family_note', v_note.id);

    return coalesce(v_refusal, json_build_object('status', 200,
        'family', json_build_object('id', v_family.id, 'number', v_family.number),
        'note', note_row(v_note),
        'withdraws', v_note.withdrawn_at is null
                     and my_role() in ('validator', 'administrator')));
end
$$;

comment on function agent_note(jsonb) is
'A note on a family, to be withdrawn. Input: family, note. Result: {"status": 200, "family": {"id", "number"}, "note": note_row(), "withdraws": the agent may withdraw it}; 404; 403 own_family; 429 too_many_readings. For agents.';


create or replace function withdraw_note(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again    json;
    v_note     family_note;
    v_refusal  json;
begin
    perform require_agent('validator', 'administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    perform lock_subject(null, null, to_id(input->>'family'));

    select n.* into v_note
      from family_note n
     where n.id = to_id(input->>'note') and n.family_id = to_id(input->>'family')
       and agent_sees(null, n.family_id, null)
       for update;

    v_refusal := case when v_note.id is null
                      then json_build_object('status', 404, 'errors', json_build_array())
                      when own_family(v_note.family_id) then refused('', 'own_family', 403)
                      when v_note.withdrawn_at is not null
                      then refused('', 'note_withdrawn', 409) end;

    if v_refusal is not null then
        perform note('withdraw_note', coalesce(v_refusal #>> '{errors,0,code}', 'unknown'),
                     'family_note', v_note.id);
        return done(input, v_refusal);
    end if;

    update family_note n
       set text = null, withdrawn_at = now(), withdrawn_by = my_agent()
     where n.id = v_note.id;
    perform note('withdraw_note', 'ok', 'family_note', v_note.id);

    return done(input, moved('/familles/' || v_note.family_id, null, 'note_withdrawn'));
end
$$;

comment on function withdraw_note(jsonb) is
'Withdraws a note: its words are erased, that it was there stays, with who withdrew it. Input: family, note; idempotency key. Result: moved to the family''s page. Errors: 404; 403 own_family; 409 note_withdrawn. For validators and administrators.';


grant execute on function add_note(jsonb), agent_note(jsonb), withdraw_note(jsonb)
   to portal_web;
