--
-- Deciding, for every way in which what the family saw, what the file holds now
-- and what is asked may be the same or not, in the clear and sealed: what the
-- agent is told, and what the file holds then.
--

begin;
select * from no_plan();

select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');
select set_config('portal.account', '0', true), set_config('portal.family', '0', true), set_config('portal.role', 'validator', true),
       set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and role = 'validator'), true);

-- more than an agent does in an hour
update portal.town set agent_decisions = 1000000, agent_readings = 1000000 where id = 1;

-- a sealed value is another text each time; its MAC is of the value
create function pg_temp.kept(kind text, value text) returns text language sql volatile as $$
    select case when value is null then null when kind = 'clear' then value
                else rpad(md5(random()::text), 60, 'A') end $$;
create function pg_temp.mac_of(kind text, value text) returns bytea language sql immutable as $$
    select case when value is not null and kind = 'sealed' then decode(tap.mac(value), 'hex') end $$;
create function pg_temp.json(value text) returns jsonb language sql immutable as $$ select coalesce(to_jsonb(value), 'null') $$;
create function pg_temp.same(a text, b text) returns boolean language sql immutable as $$ select coalesce(a, '') = coalesce(b, '') $$;

-- one request about Camille with one item, over a file that holds what it holds now; what is wrong with what comes of it
create function pg_temp.decided(kind text, old text, now text, asked text, step text) returns text language plpgsql as $$
declare
    v_who    bigint := tap.guardian('104201', 1);
    v_field  text := case kind when 'clear' then 'profession' else 'tax_number' end;
    v_now    text := pg_temp.kept(kind, now);
    v_asked  text := pg_temp.kept(kind, asked);
    v_set    bigint;
    v_doc    json;
    v_item   json;
    v_done   json;
    v_live   record;
    v_left   record;
    v_want   text := case step when 'accept' then asked else now end;
begin
    insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, account_id, due_on)
    values (1, tap.number(), tap.family('104201'),
            case kind when 'clear' then 'guardian_basic' else 'guardian_tax' end, 'change', v_who, 'Essai',
            tap.account('camille.martin@exemple.fr'), current_date)
    returning id into v_set;
    insert into portal.change_event (tenant, set_id, version, event, by_kind) values (1, v_set, 1, 'sent', 'family');
    insert into portal.change_item (tenant, set_id, field, old, old_mac, asked, asked_mac)
    values (1, v_set, v_field, pg_temp.json(pg_temp.kept(kind, old)), pg_temp.mac_of(kind, old), pg_temp.json(v_asked), pg_temp.mac_of(kind, asked));

    if kind = 'clear' then
        update portal.guardian set profession = v_now where id = v_who;
    else
        update portal.tax set tax_number = v_now, tax_number_mac = pg_temp.mac_of(kind, now) where guardian_id = v_who;
    end if;

    v_doc := portal.agent_request(jsonb_build_object('request', v_set::text));
    v_item := v_doc->'items'->0;

    if (v_item->>'conflict')::boolean <> (not pg_temp.same(old, now) and not pg_temp.same(now, asked)) then return 'conflict'; end if;
    if (v_item->>'done')::boolean <> pg_temp.same(now, asked) then return 'done'; end if;
    if (v_doc->>'conflict')::boolean <> (v_item->>'conflict')::boolean then return 'conflict of the whole'; end if;
    if kind = 'sealed' and asked is not null and v_item->'asked'->>'sealed' is distinct from v_asked
       and v_item->>'asked' not like '%' || v_asked || '%' then return 'what is sealed is not shown as it is kept'; end if;

    v_done := portal.decide(jsonb_build_object('request', v_set::text, 'step', step, 'version', v_doc->>'version', 'reason', 'Un motif.',
                                               v_field, case step when 'partly' then 'refuse' end));

    if (v_done->>'status')::int <> 303 then return 'answered ' || v_done; end if;

    select c.state, i.state as item, (select count(*) from portal.audit a where a.action = 'decide' and a.object_id = c.id) as audit,
           (select count(*) from portal.change_event e where e.set_id = c.id) as events, c.version
      into v_left
      from portal.change_set c join portal.change_item i on i.set_id = c.id where c.id = v_set;

    if (v_left.state, v_left.item) is distinct from (case step when 'accept' then 'accepted' else 'refused' end, case step when 'accept' then 'accepted' else 'refused' end)
        then return 'left ' || v_left; end if;
    if (v_left.audit, v_left.events, v_left.version) <> (1, 2, 2) then return 'traces ' || v_left; end if;

    if kind = 'clear' then
        select g.profession as value, null::bytea as mac into v_live from portal.guardian g where g.id = v_who;
        if not pg_temp.same(v_live.value, v_want) then return 'the file holds ' || coalesce(v_live.value, 'nothing'); end if;
    else
        select x.tax_number::text as value, x.tax_number_mac as mac into v_live from portal.tax x where x.guardian_id = v_who;
        -- moved as it is, with its MAC: nothing was opened for it
        if v_live.value is distinct from (case step when 'accept' then v_asked else v_now end) then return 'another ciphertext'; end if;
        if v_live.mac is distinct from pg_temp.mac_of(kind, v_want) then return 'another MAC'; end if;
    end if;

    -- undone: what the file held then, whatever had been seen; once
    if step = 'accept' then
        for turn in 1..2 loop
            v_doc := portal.agent_request(jsonb_build_object('request', v_set::text));
            v_done := portal.decide(jsonb_build_object('request', v_set::text, 'step', 'reverse', 'version', v_doc->>'version', 'reason', 'Un motif.'));
            if (v_done->>'status')::int <> (array[303, 409])[turn] then return 'undoing ' || turn || ' answered ' || v_done; end if;
            if turn = 2 and v_done->'errors'->0->>'code' <> 'request_reversed' then return 'undone twice: ' || v_done; end if;
        end loop;

        if kind = 'clear' then
            select g.profession as value, null::bytea as mac into v_live from portal.guardian g where g.id = v_who;
            if not pg_temp.same(v_live.value, v_now) then return 'undone, the file holds ' || coalesce(v_live.value, 'nothing'); end if;
        else
            select x.tax_number::text as value, x.tax_number_mac as mac into v_live from portal.tax x where x.guardian_id = v_who;
            if v_live.value is distinct from v_now or v_live.mac is distinct from pg_temp.mac_of(kind, now) then return 'undone, another ciphertext or MAC'; end if;
        end if;
    end if;

    return null;
end
$$;

select is(count(*)::int, 4 * 4 * 4 * 2 * 3, 'all ways were tried')
  from (select distinct k, o, n, a, s from unnest(array['clear', 'sealed']) k, unnest(array[null, 'a', 'b', 'c']) o, unnest(array[null, 'a', 'b', 'c']) n,
               unnest(array[null, 'a', 'b', 'c']) a, unnest(array['accept', 'refuse', 'partly']) s) x;
select is_empty($$
    select k, o, n, a, s, wrong
      from unnest(array['clear', 'sealed']) k, unnest(array[null, 'a', 'b', 'c']) o, unnest(array[null, 'a', 'b', 'c']) n,
           unnest(array[null, 'a', 'b', 'c']) a, unnest(array['accept', 'refuse', 'partly']) s,
           lateral pg_temp.decided(k, o, n, a, s) wrong
     where wrong is not null $$, 'the three-way rule, whatever was seen, is there and is asked');

-- sealed before there were MACs: its text is what is compared
select ok(portal.same('"x"', null, '"x"', null) and not portal.same('"x"', null, '"y"', decode(mac('v'), 'hex')), 'without a MAC the ciphertext decides');

-- of several fields each goes its own way, whatever its neighbours do
create function pg_temp.several(choice jsonb) returns text language plpgsql as $$
declare
    v_who   bigint := tap.guardian('104201', 1);
    v_set   bigint;
    v_doc   json;
    v_done  json;
begin
    update portal.guardian set profession = 'now', employer = 'now', birth_place = 'now' where id = v_who;
    insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, account_id, due_on)
    values (1, tap.number(), tap.family('104201'), 'guardian_basic', 'change', v_who, 'Essai',
            tap.account('camille.martin@exemple.fr'), current_date)
    returning id into v_set;
    insert into portal.change_item (tenant, set_id, field, old, asked)
    select 1, v_set, f, '"old"', '"asked"' from unnest(array['profession', 'employer', 'birth_place']) f;
    v_doc := portal.agent_request(jsonb_build_object('request', v_set::text));
    v_done := portal.decide(jsonb_build_object('request', v_set::text, 'step', 'partly', 'version', v_doc->>'version', 'reason', 'Un motif.') || choice);
    return (select concat_ws(' ', c.state, g.profession, g.employer, g.birth_place) from portal.change_set c, portal.guardian g where c.id = v_set and g.id = v_who);
end
$$;

select is_empty($$
    select p, e, b, got
      from unnest(array['accept', 'refuse']) p, unnest(array['accept', 'refuse']) e, unnest(array['accept', 'refuse']) b,
           lateral pg_temp.several(jsonb_build_object('profession', p, 'employer', e, 'birth_place', b)) got
     where got <> concat_ws(' ', case when 'refuse' not in (p, e, b) then 'accepted' when 'accept' in (p, e, b) then 'partly' else 'refused' end,
                            case p when 'accept' then 'asked' else 'now' end, case e when 'accept' then 'asked' else 'now' end,
                            case b when 'accept' then 'asked' else 'now' end) $$, 'each field goes its own way');

-- somebody new whose lines are all refused is refused
create function pg_temp.newcomer(choice text) returns text language plpgsql as $$
declare
    v_set  bigint;
    v_doc  json;
begin
    insert into portal.change_set (tenant, number, family_id, section, action, subject, account_id, due_on)
    values (1, tap.number(), tap.family('104201'), 'guardian_basic', 'add', 'Essai', tap.account('camille.martin@exemple.fr'), current_date)
    returning id into v_set;
    insert into portal.change_item (tenant, set_id, field, old, asked)
    select 1, v_set, f, 'null', a::jsonb from (values ('last_name', '"Neuf"'), ('first_name', '"Noé"'), ('link', '"other"')) as x (f, a);
    v_doc := portal.agent_request(jsonb_build_object('request', v_set::text));
    v_doc := portal.decide(jsonb_build_object('request', v_set::text, 'step', 'partly', 'version', v_doc->>'version', 'reason', 'Un motif.',
                                              'last_name', choice, 'first_name', choice, 'link', 'refuse'));
    return (v_doc->>'status') || (select c.state from portal.change_set c where c.id = v_set);
end
$$;
select is(pg_temp.newcomer('refuse'), '303refused', 'somebody new, refused line by line');
select is(pg_temp.newcomer('accept'), '422sent', 'without what the file cannot be without nobody is added');

select * from finish();
rollback;
