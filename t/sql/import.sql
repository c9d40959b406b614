--
-- Imports: what is staged, what a line comes to and does, what families have
-- asked for and it leaves alone, and what an administrator decides of both.
--

begin;
select * from no_plan();

-- what the reader does, with these lines of one file; then the merge until nothing is left
create function pg_temp.begin_import(name text, dry boolean default false, town text default 'saint-aubin') returns bigint language plpgsql as $$
declare
    v_id  bigint := portal.import_given(town, name, lo_from_bytea(0, 'x'), dry);
    v     json := tap.as_jobs('import_claim', '{}');
begin
    if (v #>> '{import,id}')::bigint <> v_id then raise 'claimed %', v; end if;
    return v_id;
end $$;
create function pg_temp.stage(iid bigint, file text, lines jsonb) returns json language sql as $$
    select tap.as_jobs('import_lines', jsonb_build_object('import', iid, 'file', file, 'lines', lines,
        'tenant', (select tenant from portal.import where id = iid))) $$;
create function pg_temp.work() returns void language plpgsql as $$
begin
    for i in 1..50 loop exit when not (tap.as_jobs('import_work', '{}')->>'more')::boolean; end loop;
end $$;
create function pg_temp.read(iid bigint) returns text language plpgsql as $$
begin
    perform tap.as_jobs('import_read', jsonb_build_object('import', iid, 'failure', null, 'files', '[]'::jsonb,
        'tenant', (select tenant from portal.import where id = iid)));
    perform pg_temp.work();
    return (select state from portal.import where id = iid);
end $$;
create function pg_temp.import(records jsonb, dry boolean default false) returns bigint language plpgsql as $$
declare v_id bigint := pg_temp.begin_import('essai.csv', dry);
begin
    perform pg_temp.stage(v_id, 'essai.csv', (select jsonb_agg(jsonb_build_object('line', n + 1, 'errors', '[]'::jsonb,
        'records', case jsonb_typeof(r) when 'array' then r else jsonb_build_array(r) end) order by n)
        from jsonb_array_elements(records) with ordinality x (r, n)));
    perform pg_temp.read(v_id);
    return v_id;
end $$;
create function pg_temp.outcomes(iid bigint) returns text language sql as $$
    select string_agg(outcome || coalesce(' ' || (select string_agg(concat_ws('=', d->>'field', d->>'code'), ' ') from jsonb_array_elements(errors || detail) d), ''), ', '
                      order by file, line) from portal.import_line where import_id = iid $$;
create function pg_temp.rec(kind text, key text, ref text, vals jsonb, more jsonb default '{}') returns jsonb language sql as $$
    select jsonb_strip_nulls(jsonb_build_object('kind', kind, 'key', key, 'ref', ref)) || jsonb_build_object('values', vals) || more $$;
create function pg_temp.g(key text, vals jsonb) returns jsonb language sql as $$
    select pg_temp.rec('guardian', key, null, vals) $$;

-- a whole export, twice

create temp table export on commit drop as select '[
  [{"kind": "family", "key": "900", "values": {"number": "900", "accounting_code": "ALI-900"}},
   {"kind": "guardian", "key": "900/1", "ref": "900", "values": {"title": "mrs", "last_name": "Ünal", "first_name": "Zoé", "payer": "yes", "phone_mobile": "+33639980001"}},
   {"kind": "guardian", "key": "900/2", "ref": "900", "values": {"title": "mr", "last_name": "O’Hara", "first_name": "Sean"}},
   {"kind": "address", "key": "900/1", "values": {"street": "1 rue Haute", "postal_code": "59100", "city": "Roubaix"}},
   {"kind": "address", "key": "900/2", "values": {"street": "1 rue Haute", "postal_code": "59100", "city": "Roubaix"}}],
  [{"kind": "family", "key": "901", "values": {"number": "901"}},
   {"kind": "guardian", "key": "901/1", "ref": "901", "values": {"last_name": "Petit", "first_name": "Luc"}}],
  {"kind": "child", "key": "50", "values": {"last_name": "Ünal", "first_name": "Noé", "birth_date": "2018-03-02", "sex": "m"}},
  {"kind": "child_family", "key": "50", "ref": "900", "values": {}},
  {"kind": "child_family", "key": "50", "ref": "901", "values": {}},
  {"kind": "schooling", "key": "50", "values": {"school_name": "École du Parc", "school_level": "cp", "school_class": null}},
  {"kind": "contact", "key": "50", "ref": "900", "values": {"last_name": "Ünal", "first_name": "Mémé", "link": "grandparent", "phone_home": "+33320000001", "collect": "yes"}}]'::jsonb as lines;

create temp table first_run as select pg_temp.import((select lines from export), true) as id;
select is((select state from portal.import where id = (select id from first_run)), 'checked', 'a dry run stops when all is checked');
select is(pg_temp.outcomes((select id from first_run)), 'created, created, created, created, created, created, created', 'and says what would come of it');
select is_empty($$select from portal.family where external_id in ('900', '901')$$, 'nothing is written');
select is(portal.import_go_on('saint-aubin', (select id from first_run)), 'applying', 'it goes on');
select pg_temp.work();
select is((select state || counts::text from portal.import where id = (select id from first_run)), 'done{"created": 7}', 'and is applied');
select is(pg_temp.outcomes((select id from first_run)), 'created, created, created, created, created, created, created', 'as it was said');
select is_empty($$select from portal.import_line where records is not null$$, 'values are not kept');

select results_eq($$select number, label, accounting_code from portal.family where external_id in ('900', '901') order by 1$$,
    $$values ('900', 'O’Hara / Ünal', 'ALI-900'), ('901', 'Petit', null)$$, 'families, called by their guardians');
select results_eq($$select rank::int, title, last_name::text, link, payer, phone_mobile::text from portal.guardian where external_id like '90_/%' order by external_id$$,
    $$values (1, 'mrs', 'Ünal', 'other', true, '+33639980001'), (2, 'mr', 'O’Hara', 'other', false, null), (1, null, 'Petit', 'other', false, null)$$,
    'guardians');
select is((select count(*) from portal.address a join portal.guardian g on g.id = a.guardian_id where g.external_id like '900/%'), 2::bigint, 'addresses');
select results_eq($$select f.number from portal.child_family m join portal.family f on f.id = m.family_id join portal.child c on c.id = m.child_id where c.external_id = '50' order by 1$$,
    $$values ('900'), ('901')$$, 'one child in two households');
select is((select count(*) from portal.authorisation a join portal.child c on c.id = a.child_id where c.external_id = '50'), 7::bigint, 'a new child has its authorisations');
select is((select count(*) from portal.health a join portal.child c on c.id = a.child_id where c.external_id = '50'), 1::bigint, 'and its health row');
select results_eq($$select name, level, year from portal.schooling s join portal.child c on c.id = s.child_id where c.external_id = '50'$$,
    $$select 'École du Parc', 'cp', portal.school_year()$$, 'its school');
select results_eq($$select k.last_name::text, k.link, k.collect, f.number from portal.contact k join portal.child c on c.id = k.child_id join portal.family f on f.id = k.family_id where c.external_id = '50'$$,
    $$values ('Ünal', 'grandparent', true, '900')$$, 'its contact, of the household that was named');

create temp table before on commit drop as select id, version from portal.family;
create temp table again as select pg_temp.import((select lines from export)) as id;
select is(pg_temp.outcomes((select id from again)), 'unchanged, unchanged, unchanged, unchanged, unchanged, unchanged, unchanged', 'the same file twice changes nothing');
select is_empty($$select from before b join portal.family f using (id) where f.version <> b.version$$, 'no family has another version');
select is((select count(*) from portal.audit where action = 'import' and outcome = 'ok' and object_id in ((select id from first_run), (select id from again))), 2::bigint, 'each import is in the audit once');

-- what changes, what is emptied, what is left

select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(
    pg_temp.g('900/1', '{"phone_mobile": "+33639980002"}'), pg_temp.g('900/2', '{"title": null}'), pg_temp.g('901/1', '{"last_name": null}'),
    pg_temp.rec('address', '900/1', null, '{"street": "2 rue Basse"}'), pg_temp.rec('address', '901/1', null, '{"street": "3 rue Basse"}'),
    pg_temp.rec('family', '900', null, '{"accounting_code": null}'), pg_temp.rec('schooling', '50', null, '{"school_level": "ce1"}'),
    pg_temp.rec('schooling', '50', null, '{"school_name": "École d’avant", "year": "2019-2020"}'),
    pg_temp.rec('contact', '50', null, '{"last_name": "unal", "first_name": "Meme", "collect": "no", "phone_home": "+33320000001"}')))),
    'updated, updated, refused last_name=required, updated, refused postal_code=required, updated, updated, created, created', 'what a line comes to');
select results_eq($$select phone_mobile::text, title, last_name::text from portal.guardian where external_id = '900/1'$$, $$values ('+33639980002', 'mrs', 'Ünal')$$, 'what is not named is left');
select results_eq($$select portal.address_line(to_jsonb(a)), street_number, postal_code from portal.address a join portal.guardian g on g.id = a.guardian_id where g.external_id = '900/1'$$, $$values ('2 rue Basse', '2', '59100')$$, 'of an address too');
select is((select title from portal.guardian where external_id = '900/2'), null, 'an empty cell empties');
select is((select accounting_code from portal.family where external_id = '900'), null, 'of a family too');
select results_eq($$select f.number, k.collect from portal.contact k join portal.child c on c.id = k.child_id join portal.family f on f.id = k.family_id where c.external_id = '50' order by 1$$,
    $$values ('900', false), ('901', false)$$, 'a contact without a household is each household''s, and found by its name');

-- the last place is taken, others are free

savepoint places;
update portal.guardian set rank = 20 where external_id = '901/1';
update portal.child_family m set rank = 30 from portal.family f where f.id = m.family_id and f.external_id = '901' and m.rank = (select max(x.rank) from portal.child_family x where x.family_id = f.id);
update portal.contact k set rank = 30 from portal.family f where f.id = k.family_id and f.external_id = '901';
select is(pg_temp.outcomes(pg_temp.import('[
  {"kind": "guardian", "key": "901/2", "ref": "901", "values": {"last_name": "Petit", "first_name": "Anne", "rank": "2"}},
  {"kind": "guardian", "key": "901/3", "ref": "901", "values": {"last_name": "Petit", "first_name": "Zoé", "rank": "1"}},
  {"kind": "child", "key": "51", "values": {"last_name": "Petit", "first_name": "Ève", "birth_date": "2020-03-02"}},
  {"kind": "child_family", "key": "51", "ref": "901", "values": {}},
  {"kind": "contact", "key": "50", "ref": "901", "values": {"last_name": "Roux", "first_name": "Guy", "phone_home": "+33320000002"}}]')),
  'created, created, created, created, created', 'who comes takes a free place');
select is((select string_agg(g.first_name || ' ' || g.rank, ', ' order by g.rank) from portal.guardian g where g.external_id like '901/%'), 'Zoé 1, Anne 2, Luc 20', 'in their order');
select is(pg_temp.outcomes(pg_temp.import((select jsonb_agg(jsonb_build_object('kind', 'guardian', 'key', '901/x' || n, 'ref', '901', 'values', jsonb_build_object('last_name', 'Petit', 'first_name', 'N' || n))) from generate_series(1, 18) n)))
       , repeat('created, ', 17) || 'refused list_full', 'as long as there is one');
rollback to places;

-- bad lines among good ones

select is(pg_temp.outcomes(pg_temp.import('[
  {"kind": "family", "key": "910", "values": {"number": "910"}},
  {"kind": "family", "key": "910", "values": {"number": "911"}},
  {"kind": "family", "key": "910", "values": {"number": "910"}},
  {"kind": "family", "key": "912", "values": {"number": "900"}},
  {"kind": "guardian", "key": "910/1", "ref": "999", "values": {"last_name": "A", "first_name": "B"}},
  {"kind": "guardian", "key": "910/2", "ref": "910", "values": {"last_name": "A"}},
  {"kind": "guardian", "key": "910/3", "ref": "910", "values": {"last_name": "A", "first_name": "B", "email": "none"}},
  {"kind": "guardian", "key": "910/4", "ref": "910", "values": {"last_name": "A", "first_name": "C", "birth_date": "never"}},
  {"kind": "guardian", "key": "910/5", "ref": "910", "values": {"last_name": "Bon", "first_name": "C"}},
  {"kind": "guardian", "key": "900/1", "ref": "910", "values": {"last_name": "A", "first_name": "C"}},
  {"kind": "address", "key": "910/9", "values": {"street": "1", "postal_code": "59000", "city": "X"}},
  {"kind": "address", "key": "910/3", "values": {"street": "1", "postal_code": "59000", "city": "X"}},
  {"kind": "address", "key": "910/5", "values": {"street": "1", "postal_code": "00000", "city": "X"}},
  {"kind": "child_family", "key": "50", "ref": "none", "values": {}},
  {"kind": "child_family", "key": "none", "ref": "910", "values": {}}]')),
  'created, refused duplicate, unchanged, refused number=number_taken, refused family=unknown_family, refused first_name=required, refused not_accepted, refused format, created, '
  || 'refused family=other_family, refused guardian=unknown_guardian, refused guardian=unknown_guardian, refused postal_code=postal_code, refused family=unknown_family, refused child=unknown_child',
  'bad lines stop no good one');
select is((select errors->0->>'first_line' from portal.import_line where import_id = (select max(id) from portal.import) and errors @? '$[*] ? (@.code == "duplicate")'), '2', 'which line it was that came first');
select results_eq($$select last_name::text from portal.guardian where external_id like '910/%'$$, $$values ('Bon')$$, 'the good ones are there');

-- what the reader found wrong

create temp table errors on commit drop as select pg_temp.begin_import('fautes.csv') as id;
select is(pg_temp.stage((select id from errors), 'a.csv', '[
  {"line": 2, "records": [], "errors": [{"field": "birth_date", "column": "Né le", "code": "date"}]},
  {"line": 3, "records": [{"kind": "family", "key": "920", "values": {}}], "errors": [{"field": "x", "column": "X", "code": "phone"}]},
  {"line": 4, "records": [{"kind": "family", "key": "920", "values": {"label": "Durand"}}], "errors": [{"field": "phone_home", "column": "Tél.", "code": "phone", "left": true}]},
  {"line": 5, "records": [], "errors": []}]')->>'status', '200', 'lines with errors are staged');
select pg_temp.stage((select id from errors), 'a.csv', '[{"line": 4, "records": [], "errors": [{"field": null, "column": null, "code": "other"}]}]');
select is((select lines from portal.import where id = (select id from errors)), 4, 'a line that is staged stays');
select is(pg_temp.read((select id from errors)), 'done', 'the rest goes on');
select is(pg_temp.outcomes((select id from errors)), 'refused birth_date=date, refused x=phone, created phone_home=phone, unchanged', 'a field may be left out, or the line refused');
select is((select label || number from portal.family where external_id = '920'), 'Durand920', 'a number is made of the external id');

-- cancelled, lost, failed

create temp table lost on commit drop as select pg_temp.begin_import('perdu.csv') as id;
select is(tap.as_jobs('import_places', jsonb_build_object('tenant', 1, 'import', (select id from lost), 'keys', '["900/1", "zz"]'::jsonb))->'places'->>'900/1',
    (select seal_id::text from portal.guardian where external_id = '900/1'), 'the place of who is in the file');
select is(tap.as_jobs('get_import_piece', jsonb_build_object('tenant', 1, 'import', (select id from lost), 'piece', 0))->>'plain', 'eA==', 'a plain piece');
select is(tap.as_jobs('get_import_piece', jsonb_build_object('tenant', 1, 'import', (select id from lost), 'piece', 0, 'lease', gen_random_uuid()))->>'status', '409', 'another reader''s lease is none');
select is(tap.as_jobs('import_claim', '{}')->>'import', null, 'what is being read is not given to another');
update portal.import set lease_until = now() where id = (select id from lost);
select pg_temp.stage((select id from lost), 'p.csv', '[{"line": 7, "records": [], "errors": []}]');
update portal.import set lease_until = now() where id = (select id from lost);
select is(tap.as_jobs('import_claim', '{}') #>> '{import,lines,p.csv}', '7', 'who comes after goes on after what is staged');
select is(tap.as_jobs('import_read', jsonb_build_object('tenant', 1, 'import', (select id from lost), 'failure', '{"code": "cut", "file": "p.csv", "line": 8}'::jsonb))->>'status', '200', 'a file that is cut');
select is((select state || (failure->>'line') from portal.import where id = (select id from lost)), 'failed8', 'has failed, there');
select is_empty($$select from portal.import_piece$$, 'pieces go when they are read');
select is(pg_temp.stage((select id from lost), 'p.csv', '[]')->>'status', '409', 'nothing comes after');


-- what families have asked for: the whole way round

create function pg_temp.agent(role text) returns void language sql as $$
    select set_config('portal.account', '0', true), set_config('portal.family', '0', true), set_config('portal.role', $1, true),
       set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and agent.role = $1), true) $$;
create function pg_temp.as_agent(role text, function text, input jsonb) returns jsonb language plpgsql as $$
declare v jsonb;
begin
    perform portal.enter('saint-aubin', null, null, null, null, null, 1, 'test');
    perform pg_temp.agent(role);
    execute format('select portal.%I($1)', function) into v using '{"_": {}}'::jsonb || input;
    return v;
end $$;
create function pg_temp.ask(section text, what jsonb) returns bigint language plpgsql as $$
declare v jsonb;
begin
    v := tap.ask('saint-aubin', 'ask_change', jsonb_build_object('section', section, 'guardian', tap.guardian('104201', 1)::text) || what,
                 tap.account('camille.martin@exemple.fr'), tap.family('104201'));
    if v->>'status' <> '303' then raise 'asked: %', v; end if;
    return (select max(id) from portal.change_set);
end $$;
create function pg_temp.accept(request bigint) returns text language plpgsql as $$
declare v jsonb := pg_temp.as_agent('validator', 'agent_request', jsonb_build_object('request', request::text));
begin
    return pg_temp.as_agent('validator', 'decide', jsonb_build_object('request', request::text, 'step', 'accept', 'version', v->>'version'))->>'status';
end $$;
create function pg_temp.camille(vals jsonb, dry boolean default false) returns text language sql as $$
    select pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.g('R104201-1', vals)), dry)) $$;
create function pg_temp.prof() returns text language sql as $$ select profession from portal.guardian where external_id = 'R104201-1' $$;

update portal.town set agent_decisions = 1000000, agent_readings = 1000000 where id = 1;
update portal.guardian set profession = 'Boulangère' where external_id = 'R104201-1';
create temp table asked on commit drop as select pg_temp.ask('guardian_basic', '{"profession": "Libraire"}') as id;
select is(pg_temp.camille('{"profession": "Boulangère"}'), 'unchanged', 'asked for, not decided: the software says what is there');
select is(pg_temp.camille('{"profession": "Libraire"}'), 'kept profession=kept', 'or what is asked: not written by the way');
select is(pg_temp.prof(), 'Boulangère', 'the file is as it was');
select is(pg_temp.camille('{"profession": "Facteur", "employer": "La Poste"}', true), 'conflict profession=conflict', 'or something else: a conflict');
select is((select count(*) from portal.import_conflict), 0::bigint, 'of which a dry run only tells');
select is(pg_temp.accept((select id from asked)), '303', 'an agent accepts');
select is(pg_temp.prof(), 'Libraire', 'the file has what was asked');
select is(pg_temp.camille('{"profession": "Boulangère"}'), 'kept profession=kept', 'the old export comes: no change');
select is(pg_temp.prof(), 'Libraire', 'the file keeps what was accepted');
select is((select acknowledged_at from portal.change_item where set_id = (select id from asked)), null, 'the software does not hold it yet');
select is(pg_temp.camille('{"profession": "Facteur", "employer": "La Poste"}'), 'conflict profession=conflict', 'a third value: a conflict');
select is(pg_temp.prof(), 'Libraire', 'which is not written');
select is((select employer from portal.guardian where external_id = 'R104201-1'), 'La Poste', 'what nobody has asked for is');
select results_eq($$select was #>> '{}', asked #>> '{}', imported #>> '{}', state, set_id from portal.import_conflict$$,
    $$select 'Boulangère', 'Libraire', 'Facteur', 'open', id from asked$$, 'it is flagged with its three values');
select pg_temp.camille('{"profession": "Factrice"}');
select results_eq($$select imported #>> '{}', state from portal.import_conflict$$, $$values ('Factrice', 'open')$$, 'once, with the latest');
select is(pg_temp.as_agent('administrator', 'import_conflicts', '{}') #>> '{conflicts,0,now}', 'Libraire', 'an administrator sees it');

-- the same again is no other reading; nor is what they may not see counted anywhere

savepoint many;
delete from portal.attempt;
insert into portal.import_conflict (tenant, family_id, guardian_id, section, field, was, asked, imported)
select k.tenant, k.family_id, k.guardian_id, 'guardian_basic', 'x' || n, k.was, k.asked, k.imported from portal.import_conflict k, generate_series(1, 60) n;
update portal.town set agent_readings = 4 where id = 1;
create function pg_temp.listed(after text default '') returns jsonb language sql as $$ select pg_temp.as_agent('administrator', 'import_conflicts', jsonb_build_object('after', after)) $$;
create function pg_temp.one(n int) returns jsonb language sql as $$
    select pg_temp.as_agent('administrator', 'conflict', jsonb_build_object('conflict', id::text)) from portal.import_conflict where field = 'x' || n $$;
create function pg_temp.readings() returns int language sql as $$ select coalesce(sum(count), 0)::int from portal.attempt where kind = 'agent_readings' $$;
create temp table views on commit drop as select count(*) as n from portal.audit where action = 'read_conflicts';
create temp table second on commit drop as select pg_temp.listed()->>'next' as id;
select is(pg_temp.readings(), 1, 'a list is a reading');
select pg_temp.listed() from generate_series(1, 10);
select is(pg_temp.one(3)->>'status' || pg_temp.readings(), '2001', 'the same again is none, nor is one of it by itself');
select is(jsonb_array_length(pg_temp.listed(second.id)->'conflicts') || ' ' || pg_temp.readings(), '25 2', 'what comes after is another') from second;
select pg_temp.listed() from generate_series(1, 3);
select is((select count(*) from portal.audit where action = 'read_conflicts') - n, 16::bigint, 'the audit has each of them') from views;
select pg_temp.as_agent('administrator', 'decide_conflict', jsonb_build_object('conflict', id::text, 'act', 'keep')) from portal.import_conflict where field = 'x3';
select is(jsonb_array_length(pg_temp.listed()->'conflicts') || ' ' || pg_temp.readings(), '25 2', 'nor who has decided, and comes back');
select is((pg_temp.one(60)->>'status') || (pg_temp.one(60)->>'status') || pg_temp.readings(), '2002003', 'one that was in no list');
select is((pg_temp.one(59)->>'status') || (pg_temp.one(58) #>> '{errors,0,code}') || (pg_temp.one(58)->>'status') || (pg_temp.one(60)->>'status'), '200too_many_readings429200', 'and no more than an hour holds: what was refused was not seen');
update portal.attempt set first_at = first_at - interval '61 minutes', last_at = last_at - interval '61 minutes' where kind like 'conflict%';
select is(pg_temp.one(60)->>'status', '429', 'an hour later it is another');
update portal.town set agent_readings = 1000000 where id = 1;
select is((pg_temp.as_agent('administrator', 'imports', '{}')->>'conflicts')::int, 60, 'and they are counted');
update portal.guardian set email = (select email from portal.agent where tenant = 1 and role = 'administrator' order by id limit 1) where id = tap.guardian('104201', 1);
select is((pg_temp.as_agent('administrator', 'imports', '{}')->>'conflicts')::int, 0, 'T202 but for those of their own family');
insert into portal.import_conflict (tenant, family_id, child_id, section, field, was, asked, imported)
select 1, tap.family(f), (select m.child_id from portal.child_family m where m.family_id = tap.family(f) order by m.rank limit 1), 'child_general', 'z', '1', '2', '3' from unnest('{104201,104218}'::text[]) f;
insert into portal.child_family (tenant, family_id, child_id, rank) select 1, tap.family('104210'), (select min(m.child_id) from portal.child_family m where m.family_id = tap.family('104201')), 30;
insert into portal.import_conflict (tenant, family_id, guardian_id, section, field, was, asked, imported) values (1, tap.family('104210'), tap.guardian('104210', 1), 'guardian_basic', 'z', '1', '2', '3');
select is((select count(*) from portal.import_conflict c where c.state = 'open' and not portal.own_conflict(c)), 1::bigint, 'of the other household of its child, too') from pg_temp.agent('administrator');
select is((pg_temp.as_agent('administrator', 'imports', '{}')->>'conflicts')::int, 1, 'of which the count says as little');
rollback to many;
select throws_ok($$select pg_temp.as_agent('validator', 'import_conflicts', '{}')$$, 'PT403', null, 'nobody else');
select is(pg_temp.as_agent('administrator', 'decide_conflict', jsonb_build_object('conflict', (select max(id)::text from portal.import_conflict), 'act', 'keep', 'reason', 'Vu avec elle.'))->>'status', '303', 'and keeps the portal''s');
select is(pg_temp.camille('{"profession": "Factrice"}'), 'kept profession=kept', 'the same value is no conflict again');
select is(pg_temp.camille('{"profession": "Pilote"}'), 'conflict profession=conflict', 'another one is');
select is(pg_temp.camille('{"profession": "Boulangère"}'), 'kept profession=kept', 'until the software says something else');
select is((select string_agg(state, ' ' order by id) from portal.import_conflict), 'kept settled', 'then it has settled itself');
select is(pg_temp.camille('{"profession": "Libraire"}'), 'unchanged', 'the accepted value comes');
select isnt((select acknowledged_at from portal.change_item where set_id = (select id from asked)), null, 'the software holds it');
select is(pg_temp.camille('{"profession": "Facteur"}'), 'updated', 'from then on it may say another one');
select is(pg_temp.prof(), 'Facteur', 'which is written');

-- taken

create temp table asked2 on commit drop as select pg_temp.ask('guardian_basic', '{"profession": "Pilote"}') as id;
select pg_temp.accept((select id from asked2));
select pg_temp.camille('{"profession": "Marin"}');
select is(pg_temp.as_agent('administrator', 'decide_conflict', jsonb_build_object('conflict', (select max(id)::text from portal.import_conflict), 'act', 'take'))->>'status', '303', 'the software''s value is taken');
select is(pg_temp.prof(), 'Marin', 'and written');
select is((select state from portal.change where set_id = (select id from asked2)), 'superseded', 'nobody is told that it has what was accepted');
select is(pg_temp.as_agent('administrator', 'decide_conflict', jsonb_build_object('conflict', (select max(id)::text from portal.import_conflict), 'act', 'take'))->>'status', '409', 'once');
select is(pg_temp.camille('{"profession": "Marin"}'), 'unchanged', 'and is no conflict any more');
select is(pg_temp.camille('{"profession": "Pilote"}'), 'updated', 'nor held');
select is((select count(*) from portal.audit where action = 'decide_conflict'), 2::bigint, 'each decision is in the audit');

-- over what has changed since

savepoint seen;
create temp table asked2b on commit drop as select pg_temp.ask('guardian_basic', '{"profession": "Peintre"}') as id;
select pg_temp.accept((select id from asked2b));
select pg_temp.camille('{"profession": "Marin"}');
select pg_temp.camille('{"profession": "Sculptrice"}');
create temp table shown on commit drop as select max(id)::text as id, pg_temp.as_agent('administrator', 'conflict', jsonb_build_object('conflict', max(id)::text)) #>> '{conflict,version}' as version from portal.import_conflict;
create temp table asked2c on commit drop as select pg_temp.ask('guardian_basic', '{"profession": "Potière"}') as id;
select pg_temp.accept((select id from asked2c));
select is(pg_temp.as_agent('administrator', 'decide_conflict', jsonb_build_object('conflict', id, 'version', version, 'act', 'take')) #>> '{errors,0,code}', 'conflict_changed', 'what was accepted since is not written over unseen') from shown;
select is(pg_temp.prof(), 'Potière', 'it stays');
update shown set version = pg_temp.as_agent('administrator', 'import_conflicts', '{}') #>> '{conflicts,0,version}';
select is(pg_temp.as_agent('administrator', 'decide_conflict', jsonb_build_object('conflict', id, 'version', version, 'act', 'take'))->>'status', '303', 'seen, it is') from shown;
select is((select string_agg(distinct state, ' ') from portal.change where set_id in ((select id from asked2b), (select id from asked2c))), 'superseded', 'both are past');

-- nobody decides about their own family

select pg_temp.accept(pg_temp.ask('guardian_basic', '{"profession": "Peintre"}'));
select pg_temp.camille('{"profession": "Sculpteur"}');
update portal.guardian set email = (select email from portal.agent where id = (select min(a.id) from portal.agent a where a.tenant = 1 and a.role = 'administrator')) where external_id = 'R104201-1';
select is(pg_temp.as_agent('administrator', 'import_conflicts', '{}') #>> '{conflicts}', '[]', 'nor sees it');
select is(pg_temp.as_agent('administrator', f, jsonb_build_object('conflict', (select max(id)::text from portal.import_conflict), 'act', 'take')) #>> '{errors,0,code}', 'own_family', f) from unnest('{conflict,decide_conflict}'::text[]) f;
rollback to seen;

-- accepted over what was accepted and has not arrived

create temp table asked3 on commit drop as select pg_temp.ask('guardian_basic', '{"profession": "Un"}') as id;
select pg_temp.accept((select id from asked3));
create temp table asked4 on commit drop as select pg_temp.ask('guardian_basic', '{"profession": "Deux"}') as id;
select pg_temp.accept((select id from asked4));
select is(pg_temp.camille('{"profession": "Pilote"}'), 'kept profession=kept', 'what was there before both');
select is(pg_temp.camille('{"profession": "Un"}'), 'kept profession=kept', 'or between them');
select is(pg_temp.prof(), 'Deux', 'is kept');
select is(pg_temp.camille('{"profession": "Deux"}'), 'unchanged', 'the last one');
select is((select count(*) from portal.change_item i where i.set_id in ((select id from asked3), (select id from asked4)) and acknowledged_at is null), 0::bigint, 'ends both');

-- what is decided whole is written whole

create function pg_temp.home(vals jsonb) returns text language sql as $$
    select pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('address', 'R104201-1', null, vals)))) $$;
create function pg_temp.lives() returns text language sql as $$
    select concat_ws('|', portal.address_line(to_jsonb(address)), complement, postal_code, city) from portal.address where guardian_id = tap.guardian('104201', 1) $$;
update portal.address set street_number = '1', repetition = null, street = 'rue A', complement = null, postal_code = '59100', city = 'Roubaix' where guardian_id = tap.guardian('104201', 1);
create temp table moved on commit drop as select pg_temp.ask('guardian_address', '{"street_number": "2", "street": "rue B", "postal_code": "59000", "city": "Lille", "complement": null, "locality": null, "country": "FR", "hosted_by": null}') as id;
select pg_temp.accept((select id from moved));
select is(pg_temp.lives(), '2 rue B|59000|Lille', 'an accepted address');
select is(pg_temp.home('{"street": "1 rue A", "complement": null, "postal_code": "59100", "city": "Roubaix"}'), 'kept street_number=kept street=kept postal_code=kept city=kept', 'the old one is kept off');
select is(pg_temp.home('{"street": "1 rue A", "complement": "Bât. C", "postal_code": "59100", "city": "Roubaix"}'),
    'conflict street_number=conflict street=conflict complement=conflict postal_code=conflict city=conflict', 'the old one with something new is a conflict of all');
select is(pg_temp.lives(), '2 rue B|59000|Lille', 'no half address');
select pg_temp.as_agent('administrator', 'decide_conflict', jsonb_build_object('conflict', (select max(id)::text from portal.import_conflict where state = 'open' and field = 'city'), 'act', 'take'));
select is(pg_temp.lives(), '1 rue A|Bât. C|59100|Roubaix', 'taken as a whole');
select is_empty($$select from portal.import_conflict where state = 'open'$$, 'all of its fields at once');

-- an address in parts, or in one line

create function pg_temp.place() returns text language sql as $$
    select concat_ws('|', coalesce(street_number, '-'), coalesce(repetition, '-'), street, coalesce(city_code, '-'), coalesce(ban_id, '-')) from portal.address where guardian_id = tap.guardian('104201', 1) $$;
select is(pg_temp.home('{"street": "14 bis, rue des Lilas"}'), 'updated', 'a line');
select is(pg_temp.place(), '14|bis|rue des Lilas|-|-', 'is split');
select is(pg_temp.home('{"street": "14 bis, rue des Lilas"}'), 'unchanged', 'and is the same again');
select is(pg_temp.home('{"street_number": "14", "repetition": "BIS", "street": "rue des Lilas"}'), 'unchanged', 'as are its parts');
select is(pg_temp.home('{"street": "14 bis rue des Lilas"}'), 'unchanged', 'and the line as we write it');
select is(pg_temp.home('{"street": "rue des Lilas"}'), 'updated', 'a line without a number');
select is(pg_temp.place(), '-|-|rue des Lilas|-|-', 'has none');
select is(pg_temp.home('{"street_number": "12-14", "repetition": null, "street": "rue des Lilas"}'), 'updated', 'two numbers');
select is(pg_temp.place(), '-|-|12-14 rue des Lilas|-|-', 'stand before the street');
select is(pg_temp.home('{"street_number": null, "street": "9 C rue Basse"}'), 'updated', 'a column of numbers that is empty');
select is(pg_temp.place(), '9|C|rue Basse|-|-', 'is no reason not to split');
update portal.address set street_number = '12', repetition = null, street = '4 Chemins' where guardian_id = tap.guardian('104201', 1);
select is(pg_temp.home('{"street": "12 4 Chemins"}'), 'unchanged', 'what the file calls so is that');
update portal.address set street_number = '1', street = 'rue A' where guardian_id = tap.guardian('104201', 1);
create temp table odd on commit drop as select pg_temp.ask('guardian_address', '{"street_number": "12", "street": "4 Chemins"}') as id;
select is(pg_temp.home('{"street": "12 4 Chemins"}'), 'kept street_number=kept street=kept', 'and what a request does');
select pg_temp.accept((select id from odd));
select is(pg_temp.home('{"street": "12 4 Chemins"}'), 'unchanged', 'accepted it is in the software by that line');
select is((select count(*) from portal.change_item where set_id = (select id from odd) and acknowledged_at is null), 0::bigint, 'each part of it');

-- and its codes

select is(pg_temp.home('{"city_code": "59512"}'), 'updated', 'a code');
select is(pg_temp.place(), '12|-|4 Chemins|59512|-', 'for the place that is there');
select is(pg_temp.home('{"city_code": "59512"}'), 'unchanged', 'once');
select is(pg_temp.home('{"street": "1 rue B", "ban_id": "k", "ban_score": "0,5", "ban_date": "2026-01-02"}'), 'updated', 'with another address');
select is(pg_temp.place(), '1|-|rue B|59512|k', 'of the same town');
select is(pg_temp.home('{"street": "1 rue B", "ban_id": "k", "ban_score": "0.5", "ban_date": "2026-01-02"}'), 'unchanged', 'the same again');
select is(pg_temp.home('{"street": "1 rue B", "ban_id": "k", "ban_score": "0.7"}'), 'updated', 'found better');
select is(pg_temp.home('{"street": "2 rue B"}'), 'updated', 'another number without codes');
select is(pg_temp.place(), '2|-|rue B|59512|-', 'has no key');
select is(pg_temp.home('{"postal_code": "59000"}'), 'updated', 'another postcode');
select is(pg_temp.place(), '2|-|rue B|-|-', 'no code of a town');
create temp table held on commit drop as select pg_temp.ask('guardian_address', '{"city": "Lille", "postal_code": "59800"}') as id;
select is(pg_temp.home('{"postal_code": "59100", "city": "Roubaix", "city_code": "59512"}'), 'conflict postal_code=conflict', 'of a place that is held off');
select is(pg_temp.place(), '2|-|rue B|-|-', 'no code comes either');
select pg_temp.outcomes(pg_temp.import('[{"kind": "guardian", "key": "900/3", "ref": "900", "values": {"last_name": "Neuf", "first_name": "Luc"}},
    {"kind": "address", "key": "900/3", "values": {"street": "3A rue C", "postal_code": "20000", "city": "Ajaccio", "city_code": "2A004", "ban_id": "z"}}]'));
select is((select concat_ws('|', street_number, repetition, street, city_code, ban_id, ban_date = portal.today()) from portal.address a join portal.guardian g on g.id = a.guardian_id
    where g.external_id = '900/3'), '3|A|rue C|2A004|z|t', 'and a new address with its codes');

-- sealed values are compared by their MACs

create function pg_temp.tax(number text) returns jsonb language sql volatile as $$
    select pg_temp.rec('tax', 'R104201-1', null, jsonb_build_object('tax_number', rpad(md5(random()::text), 60, 'A'), 'quotient', '800'),
        jsonb_build_object('macs', jsonb_build_object('tax_number', tap.mac(number)), 'seal_id', (select seal_id from portal.guardian where external_id = 'R104201-1'))) $$;
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.tax('1234567890123')))), 'updated', 'a sealed value');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.tax('1234567890123')))), 'unchanged', 'sealed anew it is the same');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.tax('1234567890124')))), 'updated', 'another one is not');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.tax('1') || jsonb_build_object('seal_id', gen_random_uuid())))), 'refused guardian=try_again', 'what is sealed for another place is refused');

savepoint taxed;
select pg_temp.accept(pg_temp.ask('guardian_tax', jsonb_build_object('tax_number', jsonb_build_object('sealed', rpad(md5('x'), 60, 'A'), 'mac', tap.mac('1234567890001')))));
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.tax('1234567890002')))), 'conflict tax_number=conflict', 'a conflict of a sealed value');
select ok(pg_temp.as_agent('administrator', 'import_conflicts', '{}')->'conflicts' @> '[{"field": "tax_number", "masked": true, "was": null, "asked": null, "now": null, "imported": null}]', 'is not opened in a list');
select is((select count(*) from portal.audit where action = 'read_tax' and object = 'guardian' and object_id = tap.guardian('104201', 1)), 0::bigint, 'of which nothing is kept');
select ok(pg_temp.as_agent('administrator', 'conflict', jsonb_build_object('conflict', (select max(id)::text from portal.import_conflict)))->'conflict'->>'now' like '%' || md5('x') || '%', 'but on its page');
select is((select count(*) from portal.audit where action = 'read_tax' and object = 'guardian' and object_id = tap.guardian('104201', 1)), 1::bigint, 'and it is kept who has seen it');
rollback to taxed;

create function pg_temp.iban(number text, more jsonb default '{}') returns jsonb language sql volatile as $$
    select pg_temp.rec('bank', '901/1', null, jsonb_build_object('iban', rpad(md5(random()::text), 60, 'A'), 'bic', 'AGRIFRPP', 'mandate_reference', 'RUM-1', 'mandate_date', '2024-01-02') || more,
        jsonb_build_object('macs', jsonb_build_object('iban', tap.mac(number)), 'hints', jsonb_build_object('iban', right(number, 4)))) $$;
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.iban('FR0001')))), 'created', 'a mandate');
select results_eq($$select holder, iban_last4, bic, mandate_reference, mandate_date from portal.bank b join portal.guardian g on g.id = b.guardian_id where g.external_id = '901/1'$$,
    $$values ('Luc Petit', '0001', 'AGRIFRPP', 'RUM-1', date '2024-01-02')$$, 'is the guardian''s, with the bank''s own reference');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.iban('FR0001')))), 'unchanged', 'twice');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.iban('FR0002', '{"mandate_reference": "RUM-2"}')))), 'updated', 'another account');
select is((select iban_last4 || mandate_reference from portal.bank b join portal.guardian g on g.id = b.guardian_id where g.external_id = '901/1'), '0002RUM-2', 'with its own reference');

-- who was added, and who was taken out, by a request

create temp table added on commit drop as select pg_temp.ask('guardian_basic', '{"action": "add", "guardian": null, "last_name": "Martin", "first_name": "Odile", "link": "other"}') as id;
select is(pg_temp.accept((select id from added)), '303', 'a guardian is added by a request');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('guardian', 'R104201-9', 'F104201', '{"last_name": "MARTIN", "first_name": "Odile", "link": "other"}')))),
    'conflict last_name=conflict', 'the software names them otherwise');
select is((select count(*) from portal.guardian where family_id = tap.family('104201') and first_name = 'Odile'), 1::bigint, 'it is the same person');
select is((select external_id from portal.guardian where family_id = tap.family('104201') and first_name = 'Odile'), 'R104201-9', 'known by the external id from now on');

-- another person under somebody's number, as BL.enfance gives places

create function pg_temp.line(dry boolean, records jsonb) returns text language sql as $$ select pg_temp.outcomes(pg_temp.import(jsonb_build_array(records), dry)) $$;
create function pg_temp.second(vals jsonb, dry boolean default false) returns text language sql as $$
    select pg_temp.line(dry, jsonb_build_array(pg_temp.g('R104201-1', '{"title": "mrs"}'), pg_temp.rec('guardian', 'R104201-2', 'F104201', vals),
        pg_temp.rec('address', 'R104201-2', null, '{"street": "7 rue Neuve", "postal_code": "59100", "city": "Roubaix"}'))) $$;
create function pg_temp.julien() returns text language sql as $$
    select concat_ws(' ', g.first_name, g.last_name, a.street) from portal.guardian g left join portal.address a on a.guardian_id = g.id where g.id = tap.guardian('104201', 2) $$;
create temp table he on commit drop as select pg_temp.julien() as was, tap.guardian('104201', 2) as id;
create function pg_temp.his_iban() returns jsonb language sql as $$
    select pg_temp.rec('bank', 'R104201-2', null, jsonb_build_object('holder', 'Marc Petit', 'iban', rpad(md5('marc'), 60, 'A'), 'bic', 'AGRIFRPP'),
        jsonb_build_object('macs', jsonb_build_object('iban', tap.mac('marc')), 'hints', '{"iban": "9999"}'::jsonb)) $$;
savepoint apart;
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(
    jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Petit", "first_name": "Marc"}'), pg_temp.g('R104201-1', '{"last_name": null}')), pg_temp.his_iban()))),
    'refused last_name=required, kept other_person', 'nor is their IBAN, where their line was refused for somebody else');
rollback to apart;
create temp table wrong on commit drop as select pg_temp.begin_import('essai.csv') as id;
select pg_temp.stage(id, 'essai.csv', jsonb_build_array(
    jsonb_build_object('line', 2, 'errors', '[{"field": "email", "column": "Mail", "code": "email"}]'::jsonb, 'records', jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Petit", "first_name": "Marc"}'))),
    jsonb_build_object('line', 3, 'errors', '[]'::jsonb, 'records', jsonb_build_array(pg_temp.his_iban())))) from wrong;
select pg_temp.read(id) from wrong;
select is(pg_temp.outcomes(id), 'refused email=email, kept other_person', 'or read wrong') from wrong;
rollback to apart;
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}', true), 'kept other_person other_person', 'is told in a dry run');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.his_iban()))) ~ 'other_person', false, 'and kept for nothing');
rollback to apart;
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}'), 'kept other_person other_person', 'somebody else today');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.his_iban()))), 'kept other_person', 'whose mandate comes in another import, tomorrow');
select is(pg_temp.second('{"last_name": "Martin", "first_name": "Julien"}') ~ 'other_person', false, 'who is named again');
select is((select g.stranger_since from portal.guardian g join he on he.id = g.id), null, 'is who they were');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.his_iban()))) ~ 'other_person', false, 'and gets what is theirs');
rollback to apart;
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}'), 'kept other_person other_person', 'somebody else again');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"email": "marc.petit@exemple.fr"}'), pg_temp.his_iban()), p_dry)), 'kept other_person, kept other_person', 'whose line without a name is not theirs, either, nor brings them back')
  from unnest(array[true, false]) p_dry;
select is((select count(*) from portal.guardian g join he on he.id = g.id where g.email = 'marc.petit@exemple.fr' or g.stranger_since is null)::int, 0, 'with their address');
rollback to apart;
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(
    jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Petit", "first_name": "Marc"}'), pg_temp.g('R104201-1', '{"last_name": null}'))))),
    'refused last_name=required', 'whose own line is refused');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.his_iban()))), 'kept other_person', 'before their mandate comes in another import');
rollback to apart;
create temp table half on commit drop as select pg_temp.begin_import('essai.csv') as id;
select pg_temp.stage(id, 'essai.csv', jsonb_build_array(
    jsonb_build_object('line', 2, 'errors', '[{"field": "first_name", "column": "Prénom", "code": "required"}]'::jsonb, 'records', jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Petit"}'))),
    jsonb_build_object('line', 3, 'errors', '[]'::jsonb, 'records', jsonb_build_array(pg_temp.his_iban())))) from half;
select pg_temp.read(id) from half;
select is(pg_temp.outcomes(id), 'refused first_name=required, kept other_person', 'or has half a name, which is not theirs') from half;
rollback to apart;
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}'), 'kept other_person other_person', 'one who is taken out');
create temp table out on commit drop as select pg_temp.ask('guardian_basic', jsonb_build_object('action', 'remove', 'guardian', (select id::text from he), 'comment', 'Parti.')) as id;
select pg_temp.accept((select id from out));
select is(pg_temp.as_agent('validator', 'decide', jsonb_build_object('request', (select id::text from out), 'step', 'reverse', 'reason', 'Par erreur.',
    'version', pg_temp.as_agent('validator', 'agent_request', jsonb_build_object('request', (select id::text from out)))->>'version'))->>'status', '303', 'and put back');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.his_iban()))), 'kept other_person', 'is as little whom the software means as before');
rollback to apart;
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}'), 'kept other_person other_person', 'and written over nobody');
select is(pg_temp.second('{"last_name": "Martin", "first_name": "Marc", "birth_date": "1999-01-01"}'), 'kept other_person other_person', 'nor of the same name, with another birth date');
select is(pg_temp.julien(), was, 'who is there stays who they are') from he;
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Petit", "first_name": "Marc"}'),
    pg_temp.rec('address', 'R104201-2', null, '{"street": "7 rue Neuve", "postal_code": "59100", "city": "Roubaix"}')))), 'kept other_person, kept other_person', 'in two files');
select is(pg_temp.line(false, jsonb_build_array(pg_temp.g('R104201-1', '{"last_name": "Martin", "first_name": "Julien"}'), pg_temp.g('R104201-2', '{"last_name": "Martin", "first_name": "Camille"}'))),
    'kept other_person other_person', 'nor do two of one name change places');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('guardian', 'R104201-1', 'F104201', '{"last_name": "Martin", "first_name": "Camille"}'), pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Martin", "first_name": "Julien"}')))) ~ 'other_person', false, 'who are where they were again');
savepoint same;
create function pg_temp.swapped() returns text language sql as $$
    select pg_temp.line(false, jsonb_build_array(pg_temp.rec('guardian', 'R104201-1', 'F104201', '{"last_name": "Martin", "first_name": "Julien"}'), pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Martin", "first_name": "Camille"}'),
        pg_temp.rec('address', 'R104201-2', null, '{"street": "7 rue Neuve", "postal_code": "59100", "city": "Roubaix"}'))) $$;
select is(pg_temp.swapped(), 'kept other_person other_person other_person', 'with what is theirs');
select pg_temp.accept(pg_temp.ask('guardian_basic', jsonb_build_object('action', 'remove', 'guardian', (select id::text from he), 'comment', 'Parti.')));
select is(pg_temp.swapped(), 'kept other_person removed_here removed_here', 'nor when one of them was taken out');
select is((select string_agg(g.external_id || ' ' || g.first_name, ' ' order by g.rank) from portal.guardian g where g.family_id = tap.family('104201') and g.last_name = 'Martin' and g.first_name <> 'Odile'),
    'R104201-1 Camille', 'the other one is who they were, and once');
rollback to same;
select is(pg_temp.second('{"last_name": "Martin", "first_name": "Julien-Marie"}'), 'updated', 'another first name alone is the same person');
select is(pg_temp.second('{"last_name": "Marchand", "first_name": "Julien Marie"}'), 'updated', 'and so is another last name alone');
rollback to same;
savepoint named;
select pg_temp.accept(pg_temp.ask('guardian_basic', jsonb_build_object('guardian', (select id::text from he), 'first_name', 'Jules', 'last_name', 'Marchand')));
select is(pg_temp.second('{"last_name": "Martin", "first_name": "Julien"}'), 'updated last_name=kept first_name=kept', 'or whom a request has given both');
rollback to named;
select pg_temp.ask('guardian_basic', jsonb_build_object('guardian', (select id::text from he), 'first_name', 'Marc', 'last_name', 'Petit'));
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc", "birth_date": "1999-01-01"}'), 'kept other_person other_person', 'not who only asks to be called as they are');
select is(pg_temp.julien(), was, 'nor gets their address') from he;
rollback to named;

savepoint named;
select pg_temp.accept(pg_temp.ask('guardian_basic', jsonb_build_object('guardian', (select id::text from he), 'first_name', 'Jules', 'last_name', 'Marchand')));
select pg_temp.accept(pg_temp.ask('guardian_basic', jsonb_build_object('action', 'remove', 'guardian', (select id::text from he), 'comment', 'Parti.')));
select is(pg_temp.second('{"last_name": "Martin", "first_name": "Julien"}'), 'kept removed_here removed_here', 'who was renamed and taken out does not come back by a former name');
rollback to named;

create temp table gone on commit drop as select pg_temp.ask('guardian_basic', jsonb_build_object('action', 'remove', 'guardian', tap.guardian('104201', 2)::text, 'comment', 'Parti.')) as id;
select is(pg_temp.accept((select id from gone)), '303', 'a guardian is taken out by a request');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Martin", "first_name": "Julien"}')))),
    'kept removed_here', 'an import does not bring them back');

select is(pg_temp.line(dry, jsonb_build_array(pg_temp.g('R104201-1', jsonb_build_object('phone_work', phone)),
        pg_temp.rec('guardian', 'R104201-2', 'F104201', '{"last_name": "Martin", "first_name": "Julien"}'),
        pg_temp.rec('address', 'R104201-2', null, '{"street": "2 rue B", "postal_code": "59100", "city": "Roubaix"}'))),
    'updated removed_here removed_here', 'nor is the rest of their line refused' || case when dry then ', says a dry run' else '' end)
  from (values (true, '+33639980066'), (false, '+33639980067')) as v (dry, phone);
select is((select phone_work::text from portal.guardian where external_id = 'R104201-1'), '+33639980067', 'the other one is brought up to date');
select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('address', 'R104201-2', null, '{"street": "2 rue B", "postal_code": "59100", "city": "Roubaix"}')))), 'kept removed_here', 'a part of theirs in another file');
savepoint moved;
select is(pg_temp.line(false, jsonb_build_array(pg_temp.rec('guardian', 'R104201-2', '900', '{"last_name": "Martin", "first_name": "Julien"}'),
        pg_temp.rec('address', 'R104201-2', null, '{"street": "2 rue B", "postal_code": "59100", "city": "Roubaix"}'))), 'created', 'in another family they are somebody new');
rollback to moved;

savepoint taken;
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}', true), 'created', 'another person in their place comes, says a dry run');
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}'), 'created', 'and does');
select ok(g.id <> he.id and g.first_name = 'Marc' and a.street = 'rue Neuve', 'as somebody new, with their address') from he, portal.guardian g join portal.address a on a.guardian_id = g.id where g.external_id = 'R104201-2';
select is(pg_temp.second('{"last_name": "Petit", "first_name": "Marc"}'), 'unchanged', 'and stays');
rollback to taken;

create temp table away on commit drop as select c.id, c.external_id as key from portal.child c join portal.child_family m on m.child_id = c.id where m.family_id = tap.family('104201') order by c.id desc limit 1;
select is(pg_temp.accept(pg_temp.ask('child_general', jsonb_build_object('action', 'remove', 'guardian', null, 'child', (select id::text from away), 'comment', 'Parti.'))), '303', 'a child is taken out by a request');
select is(pg_temp.line(dry, jsonb_build_array(pg_temp.rec('child_family', key, 'F104201', '{}'), pg_temp.rec('contact', key, ref, '{"last_name": "Neuve", "first_name": "Ana", "phone_mobile": "+33639980058"}'))),
    'kept removed_here removed_here', 'with who may collect it') from away, (values (true, 'F104201'), (false, 'F104201'), (false, null)) as v (dry, ref);

-- a child in no household is erased when its removal cannot be undone any more

savepoint erased;
create function pg_temp.again(ref text) returns text language sql as $$
    select pg_temp.line(false, jsonb_build_array(pg_temp.rec('child', a.key, null, '{"last_name": "Martin", "first_name": "Revenu", "birth_date": "2020-01-02"}'),
        pg_temp.rec('child_family', a.key, ref, '{}'), pg_temp.rec('schooling', a.key, null, '{"school_name": "École X"}'))) from away a $$;
select isnt(c.left_at, null, 'since when is kept') from portal.child c join away a using (id);
update portal.child c set left_at = now() - interval '31 days' from away a where a.id = c.id;
select is(portal.end_children(30, 10), 0, 'as long as its removal can be undone it stays');
delete from portal.removed r using away a where r.child_id = a.id;
insert into portal.collect_ban (tenant, child_id, words) select 1, id, 'Personne' from away;
select is(portal.end_children(30, 10), 0, 'nor does it go while a ban is kept');
delete from portal.collect_ban b using away a where b.child_id = a.id;
insert into portal.child_family (tenant, family_id, rank, child_id) select 1, family('104202'), 30, id from away;
select is(c.left_at, null, 'in a household again it has not left') from portal.child c join away a using (id);
select is(portal.end_children(30, 10), 0, 'and stays');
delete from portal.child_family m using away a where m.child_id = a.id;
select is(portal.end_children(30, 10), 0, 'taken out again its time begins anew');
update portal.child c set left_at = now() - interval '31 days' from away a where a.id = c.id;
create temp table pictures on commit drop as
with u as (insert into portal.upload (tenant, id, family_id, section, field, child_id, kind, size, pieces, stored)
    select 1, gen_random_uuid(), family('104201'), x, 'document', id, 'pdf', 1, 1, 1 from away, unnest(array['child_photo', 'child_health']) x returning id, section) select * from u;
delete from portal.child_photo p using away a where p.child_id = a.id;
insert into portal.child_photo (tenant, child_id, upload_id) select 1, a.id, p.id from away a, pictures p where p.section = 'child_photo';
insert into portal.child_pai (tenant, child_id, upload_id, set_id) select 1, a.id, p.id, 1 from away a, pictures p where p.section = 'child_health';
create temp table sets_of on commit drop as select s.id, s.subject from portal.change_set s join away a on a.id = s.child_id;
select is(portal.end_children(30, 10), 1, 'then it is erased');
select is(count(c.id) + count(h.child_id) + count(x.child_id) + count(s.child_id) + count(v.child_id), 0::bigint, 'with all that is its own') from away a
  left join portal.child c on c.id = a.id left join portal.health h on h.child_id = a.id left join portal.authorisation x on x.child_id = a.id
  left join portal.schooling s on s.child_id = a.id left join portal.verification v on v.child_id = a.id;
select results_eq('select s.id, s.subject, s.child_id from portal.change_set s join sets_of a using (id) order by 1', 'select id, subject, null::bigint from sets_of order by 1', 'what was asked stays, about nobody');
select results_eq('select u.section, u.left_at is not null, u.child_id from portal.upload u join pictures p using (id) order by 1',
    $$values ('child_health', true, null::bigint), ('child_photo', true, null)$$, 'and its files are those that have left the file, which a list may be for');
select is(portal.end_children(30, 10), 0, 'once');

select is(pg_temp.again('F104201'), 'kept removed_here removed_here removed_here', 'the software that still has it brings nothing back');
select is_empty($$select from portal.child c join away a on c.external_id = a.key$$, 'nor a child without a household');
select is(pg_temp.line(false, jsonb_build_array(pg_temp.rec('schooling', key, null, '{"school_name": "École X"}'))), 'kept removed_here', 'in a file of its own neither') from away;
select is(pg_temp.line(false, jsonb_build_array(pg_temp.rec('contact', key, ref, '{"last_name": "Neuve", "first_name": "Ana", "phone_mobile": "+33639980058"}'))), 'kept removed_here', 'nor who may collect it')
  from away, unnest(array['F104201', null]) ref;
savepoint elsewhere;
select is(pg_temp.again('F104202'), 'created', 'in another family it is somebody new');
select is((select count(*) from portal.child c join away a on c.external_id = a.key join portal.child_family m on m.child_id = c.id where m.family_id = family('104202')), 1::bigint, 'and there');
rollback to elsewhere;
delete from portal.change_set s using sets_of a where s.id = a.id;
select is(pg_temp.again('F104201'), 'created', 'as it is in the same, once the request is erased');
rollback to erased;

-- a contact that was renamed, or taken out, by a request

create temp table lent on commit drop as
select k.id as contact, c.id as child, c.external_id as key, k.last_name, k.first_name from portal.contact k join portal.child c on c.id = k.child_id
 where k.family_id = tap.family('104201') and c.external_id is not null order by k.id limit 1;
create function pg_temp.knows(vals jsonb) returns text language sql as $$
    select pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('contact', key, 'F104201', jsonb_build_object('last_name', last_name, 'first_name', first_name, 'phone_mobile', '+33639980055') || vals)))) from lent $$;
create function pg_temp.known() returns text language sql as $$
    select string_agg(k.last_name || ':' || k.collect, ' ' order by k.rank) from portal.contact k, lent l where k.family_id = tap.family('104201') and k.child_id = l.child
       and portal.fold(k.first_name) = portal.fold(l.first_name) $$;
create function pg_temp.about(what jsonb) returns jsonb language sql as $$
    select jsonb_build_object('guardian', null, 'child', child::text, 'contact', contact::text) || what from lent $$;

update portal.contact set collect = true, phone_mobile = '+33639980055' where id = (select contact from lent);
create temp table renamed on commit drop as select pg_temp.ask('child_contact', pg_temp.about('{"last_name": "Nouveau"}')) as id;
select is(pg_temp.knows('{"last_name": "Nouveau"}'), 'kept kept', 'a name that is asked for is the same contact');
savepoint before;
update portal.contact set collect = false where id = (select contact from lent);
select is(pg_temp.knows('{"last_name": "Nouveau", "collect": "yes"}') || (select k.collect from portal.contact k join lent l on k.id = l.contact), 'kept keptfalse', 'who gets nothing of who bears it, before it is decided');
rollback to before;
select pg_temp.accept((select id from renamed));
select is(pg_temp.knows('{}'), 'kept last_name=kept', 'the name that it had is');
select is(pg_temp.known(), 'Nouveau:true', 'there is one');
select is(pg_temp.knows('{"last_name": "Nouveau"}'), 'unchanged', 'its own name');
select isnt((select acknowledged_at from portal.change_item where set_id = (select id from renamed)), null, 'shows that the software has it');
select is(pg_temp.knows('{}'), 'created', 'from then on the former one is somebody else');
delete from portal.contact k using lent l where k.child_id = l.child and k.family_id = tap.family('104201') and k.last_name = l.last_name and k.id <> l.contact;

create temp table barred on commit drop as select pg_temp.ask('child_contact', pg_temp.about('{"action": "remove", "comment": "Ne doit plus venir."}')) as id;
select is(pg_temp.accept((select id from barred)), '303', 'a contact is taken out by a request');
select is(pg_temp.knows('{"last_name": "nouveau", "collect": "yes"}'), 'kept removed_here', 'an import does not let them collect the child again');
select is(pg_temp.known(), null, 'they are not there');
select is(pg_temp.knows('{"last_name": "Autre", "collect": "yes"}'), 'created', 'somebody else comes');

-- another town's are none

select is(pg_temp.outcomes(pg_temp.import(jsonb_build_array(pg_temp.rec('guardian', 'R200101-1', null, '{"last_name": "X", "first_name": "Y"}')))), 'refused family=unknown_family', 'no other town''s guardian is found');


-- machines: a key, what it may do, the file by pieces

create function pg_temp.as_machine(key text, function text, input jsonb default '{}', town text default 'saint-aubin') returns jsonb language plpgsql as $$
declare v jsonb;
begin
    perform portal.enter_machine(town, tap.mac(key), null, 1, 'test');
    execute format('select portal.%I($1)', function) into v using '{"_": {}}'::jsonb || input;
    return v;
end $$;
create function pg_temp.piece(file text, n int, pieces int, name text default 'export.zip') returns jsonb language sql as $$
    select jsonb_build_object('upload', jsonb_build_object('id', md5(file)::uuid, 'name', name, 'size', null, 'pieces', pieces, 'piece', n, 'sealed', repeat('A', 60), 'field', 'file')) $$;
create function pg_temp.sent(key text, file text, dry text default 'no') returns jsonb language plpgsql as $$
begin
    perform pg_temp.as_machine(key, 'store_import', pg_temp.piece(file, 0, null));
    perform pg_temp.as_machine(key, 'store_import', pg_temp.piece(file, 1, null));
    return pg_temp.as_machine(key, 'start_import', jsonb_build_object('dry', dry, 'upload', jsonb_build_object('id', md5(file)::uuid, 'size', 300000, 'mac', tap.mac(left(file, 1)))));
end $$;

select isnt(portal.make_machine('saint-aubin', 'BL.enfance', mac('key'), '{import}'), null, 'the operator lets a program in');
select portal.make_machine('saint-aubin', 'Autre', mac('other'), '{import}'), portal.make_machine('saint-aubin', 'Flux', mac('feed'), '{feed}');
select throws_ok($$select pg_temp.as_machine('none', 'import_report')$$, 'PT401', null, 'a key that is none');
select throws_ok($$select pg_temp.as_machine('key', 'import_report', '{}', 'beaulieu')$$, 'PT401', null, 'or another town''s');
select throws_ok($$select pg_temp.as_machine('feed', 'store_import', pg_temp.piece('f', 0, 1))$$, 'PT403', null, 'or has another right');
select throws_ok($$select pg_temp.as_machine('key', 'imports')$$, 'PT403', null, 'a machine sees no list');
select throws_ok($$select pg_temp.as_machine('key', 'queue')$$, 'PT403', null, 'nor requests');
select is(pg_temp.as_machine('key', 'my_session') ->> 'signed_in', 'false', 'nor is it anybody');
create temp table sent on commit drop as select pg_temp.sent('key', 'a1') as answer;
select is((select answer->>'status' from sent), '202', 'a file is taken');
select is((select answer->>'location' from sent), '/import/' || (select max(id) from portal.import), 'and can be asked about');
select is(pg_temp.sent('key', 'a2')->>'import', (select answer->>'import' from sent), 'sent again while it is on its way it is the same');
select isnt(pg_temp.as_agent('administrator', 'imports', '{}') #>> '{imports,0,id}', (select max(id)::text from portal.import), 'and is once in the list');
select isnt(pg_temp.sent('key', 'a3', 'yes')->>'import', (select answer->>'import' from sent), 'but a dry run is another');
select isnt(pg_temp.sent('other', 'a4')->>'import', (select answer->>'import' from sent), 'and so is another machine''s');
select is(pg_temp.as_machine('key', 'import_report', jsonb_build_object('import', (select answer->>'import' from sent))) #>> '{import,state}', 'received', 'it is told how it goes');
select is(pg_temp.as_machine('other', 'import_report', jsonb_build_object('import', (select answer->>'import' from sent)))->>'status', '404', 'nobody else is');
select pg_temp.as_machine('key', 'store_import', pg_temp.piece('late', 0, 3));
select is(pg_temp.as_machine('key', 'store_import', pg_temp.piece('late', 2, 3))->>'status', '404', 'a piece that is not the next one');
select is(pg_temp.as_machine('other', 'store_import', pg_temp.piece('late', 1, 3))->>'status', '404', 'or another machine''s');
select is(pg_temp.as_machine('key', 'start_import', jsonb_build_object('upload', jsonb_build_object('id', md5('late')::uuid, 'mac', mac('late')))) #>> '{errors,0,code}', 'required', 'half a file is not started');
select is(pg_temp.as_machine('key', 'store_import', pg_temp.piece('late', 200, null))->>'status', '413', '50 MB are enough');
create temp table claimed on commit drop as select tap.as_jobs('import_claim', '{}')->'import' as c;
select is((select c->>'pieces' || (c->>'plain') || (c->>'seal_id') from claimed), '2false' || md5('a1')::uuid, 'the reader gets it, sealed');
select is(tap.as_jobs('get_import_piece', jsonb_build_object('tenant', 1, 'import', (select c->>'id' from claimed), 'piece', 1))->>'sealed', repeat('A', 60), 'by pieces');
select ok(portal.revoke_machine('saint-aubin', 'BL.enfance'), 'a key is taken back');
select throws_ok($$select pg_temp.as_machine('key', 'import_report')$$, 'PT401', null, 'and counts no more');

-- an administrator's files, and what they decide

select pg_temp.as_agent('administrator', 'store_import', pg_temp.piece('p1', 0, 1, 'C:\exports\famille.csv'));
select pg_temp.as_agent('administrator', 'store_import', pg_temp.piece('p2', 0, 2, 'enfant.csv'));
select is(pg_temp.as_agent('administrator', 'start_import', '{}') #>> '{errors,0,code}', 'required', 'not before all has come');
select pg_temp.as_agent('administrator', 'store_import', pg_temp.piece('p2', 1, 2, 'enfant.csv'));
select throws_ok($$select pg_temp.as_agent('validator', 'start_import', '{}')$$, 'PT403', null, 'nobody but an administrator');
create temp table paged on commit drop as select max(id) as id from portal.import;
select is(pg_temp.as_agent('administrator', 'start_import', '{}')->>'location', '/imports/' || (select id from paged), 'several files are one import');
select is((select name || state || dry from portal.import where id = (select id from paged)), 'famille.csvreceivedtrue', 'which is dry where nothing else is said');
update portal.import set state = 'cancelled', finished_at = now() where state = 'received' and id <> (select id from paged);
select is((select string_agg(f->>'name' || (f->>'from'), ' ' order by n) from json_array_elements(tap.as_jobs('import_claim', '{}') #> '{import,files}') with ordinality x (f, n)),
    'famille.csv0 enfant.csv1', 'the reader gets them one after the other');
select pg_temp.stage((select id from paged), 'famille.csv', '[{"line": 2, "errors": [], "records": [{"kind": "family", "key": "930", "values": {}}]},
    {"line": 3, "errors": [{"field": "x", "column": "X", "code": "date"}], "records": []}, {"line": 4, "errors": [], "records": [{"kind": "family", "key": "931", "values": {}}]}]');
select is(pg_temp.read((select id from paged)), 'checked', 'checked');
create temp table report on commit drop as select pg_temp.as_agent('administrator', 'import_report', jsonb_build_object('import', (select id::text from paged))) as r;
select is((select r #>> '{import,counts,created}' || (r #>> '{import,counts,refused}') || (r #>> '{import,may_apply}') from report), '21true', 'the report counts');
select is((select r #>> '{lines,0,line}' || (r #>> '{lines,0,told,0,column}') || jsonb_array_length(r->'lines') from report), '3X1', 'and tells of lines that are not clean');
select is(pg_temp.as_agent('administrator', 'import_report', jsonb_build_object('import', (select id::text from paged), 'outcome', 'all', 'limit', '2'))->>'next', '3-66616d696c6c652e637376', 'page by page');
select is(pg_temp.as_agent('administrator', 'import_report', jsonb_build_object('import', (select id::text from paged), 'outcome', 'all', 'limit', '2', 'after', '3-66616d696c6c652e637376')) #>> '{lines,0,line}', '4', 'to the end');
select is(pg_temp.as_agent('administrator', 'decide_import', jsonb_build_object('import', (select id::text from paged), 'act', 'apply'))->>'status', '303', '« Importer »');
select pg_temp.work();
select is((select state from portal.import where id = (select id from paged)), 'done', 'and it is done');
select is(pg_temp.as_agent('administrator', 'decide_import', jsonb_build_object('import', (select id::text from paged), 'act', 'cancel'))->>'status', '409', 'what is done is not cancelled');
select is(pg_temp.as_agent('administrator', 'imports', '{}') #>> '{imports,0,id}', (select id::text from paged), 'it is in the list');
select is(pg_temp.as_agent('administrator', 'decide_import', jsonb_build_object('import', (select id::text from lost), 'act', 'apply'))->>'status', '303', 'what came before a cut can be checked');
select pg_temp.work();
select is((select state from portal.import where id = (select id from lost)), 'checked', 'and only that');
select is(pg_temp.as_agent('administrator', 'decide_import', jsonb_build_object('import', (select id::text from lost), 'act', 'cancel'))->>'status', '303', '« Annuler »');
select is((select state from portal.import where id = (select id from lost)), 'cancelled', 'it is cancelled');
select is((select count(*) from portal.audit where action = 'decide_import'), 3::bigint, 'the audit has it');


-- what is left behind goes

create temp table left_ on commit drop as select pg_temp.begin_import('reste.csv') as id;
select pg_temp.stage((select id from left_), 'r.csv', '[{"line": 2, "errors": [], "records": [{"kind": "family", "key": "940", "values": {}}]}]');
update portal.import set state = 'cancelled', finished_at = now() - interval '23 hours' where id = (select id from left_);
select tap.as_jobs('purge', '{"limit": 5000}');
select isnt((select records from portal.import_line where import_id = (select id from left_)), null, 'what came to nothing is kept for a day');
update portal.import set finished_at = now() - interval '25 hours' where id = (select id from left_);
select tap.as_jobs('purge', '{"limit": 5000}');
select is((select records from portal.import_line where import_id = (select id from left_)), null, 'then its values go');
select is_empty(format('select from portal.import_key where import_id = %s union all select from portal.import_piece where import_id = %1$s', (select id from left_)), 'its keys and pieces too');
update portal.import set finished_at = now() - interval '366 days' where id in ((select id from left_), (select id from again));
select tap.as_jobs('purge', '{"limit": 5000}');
select is_empty(format('select from portal.import where id in (%s, %s)', (select id from left_), (select id from again)), 'a year later the report');
update portal.import set state = 'checked', finished_at = null, worked_at = now() - interval '8 days' where id = (select id from paged);
update portal.import set created_at = now() - interval '2 days' where state = 'filling';
update portal.import_conflict set decided_at = now() - interval '731 days' where state = 'kept';
select tap.as_jobs('purge', '{"limit": 5000}');
select is((select state from portal.import where id = (select id from paged)), 'cancelled', 'a dry run that nobody decides about is cancelled');
select is_empty($$select from portal.import where state = 'filling'$$, 'half a file goes after a day');
select is_empty($$select from portal.import_conflict where state = 'kept'$$, 'decided conflicts go with their time');
select is_empty($$select from portal.import_key k join portal.import i on i.id = k.import_id where i.state = 'done'$$, 'what is done leaves no keys');
select is(portal.check_documents(), 0::bigint, 'no family''s document is other than the file');

select * from finish();
rollback;
