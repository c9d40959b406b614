--
-- An address in its parts: how a line is split, what a family types, what is
-- refused, and what becomes of the codes that no family sees.
--

begin;
select * from no_plan();

select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');

-- a line

create function pg_temp.parts(line text, country text default 'FR') returns text language sql as $$
    select concat_ws('|', coalesce(p->>'street_number', ''), coalesce(p->>'repetition', ''), p->>'street') from portal.address_parts(line, country) p $$;

select is(pg_temp.parts(line), want, line) from (values
    ('12 rue des Lilas', '12||rue des Lilas'), ('12, rue des Lilas', '12||rue des Lilas'), ('  12   rue  des Lilas ', '12||rue des Lilas'),
    ('12 bis rue des Lilas', '12|bis|rue des Lilas'), ('12BIS, RUE DES LILAS', '12|bis|RUE DES LILAS'), ('3 Ter place X', '3|ter|place X'),
    ('4 quater allée Y', '4|quater|allée Y'), ('5B avenue Z', '5|B|avenue Z'), ('5 b avenue Z', '5|B|avenue Z'), ('5 B, avenue Z', '5|B|avenue Z'),
    ('12 Grande Rue', '12||Grande Rue'), ('7 l’Orée du Bois', '7||l’Orée du Bois'), ('7 Église Basse', '7||Église Basse'),
    -- an article or an index: the street's where it leads to no street
    ('5 L ORÉE DU BOIS', '5||L ORÉE DU BOIS'), ('12 D ARTAGNAN', '12||D ARTAGNAN'), ('12 D rue Haute', '12|D|rue Haute'),
    -- not for certain
    ('12-14 rue Haute', '||12-14 rue Haute'), ('12/14 rue Haute', '||12/14 rue Haute'), ('12 à 14 rue Haute', '||12 à 14 rue Haute'),
    ('12 et 14 rue Haute', '||12 et 14 rue Haute'), ('12 A Les Acacias', '||12 A Les Acacias'), ('12 bis B rue Haute', '||12 bis B rue Haute'),
    ('12 bis ter rue Haute', '||12 bis ter rue Haute'), ('8 mai 1945', '||8 mai 1945'), ('4 Chemins', '||4 Chemins'), ('3e avenue', '||3e avenue'),
    ('1 er étage', '||1 er étage'), ('2ème rue', '||2ème rue'), ('0 rue Haute', '||0 rue Haute'), ('012 rue Haute', '||012 rue Haute'),
    ('12345 rue Haute', '||12345 rue Haute'), ('12', '||12'), ('12 bis', '||12 bis'), ('1 2 rue Haute', '||1 2 rue Haute'),
    ('Ferme du Bois', '||Ferme du Bois'), ('Bât. 3, 12 rue Haute', '||Bât. 3, 12 rue Haute')) as x (line, want);
select is(pg_temp.parts('221B Baker Street', 'GB'), '||221B Baker Street', 'abroad nothing is split');
select is(portal.address_line(portal.address_parts('12BIS, rue des Lilas', 'FR')), '12 bis rue des Lilas', 'and a line is made of it again');

-- what a family types

create function pg_temp.typed(input jsonb, was jsonb default '{"street_number": "1", "repetition": null, "street": "rue A", "country": "FR"}') returns text language sql as $$
    select string_agg(k || '=' || coalesce(v->>k, 'null'), ' ' order by n) from portal.address_input(input, was, null) v,
        unnest('{street_number,repetition,street}'::text[]) with ordinality x (k, n) where v ? k $$;

select is(pg_temp.typed('{"street_number": "12 Bis", "repetition": null}'), 'street_number=12 repetition=bis', 'the index in the number''s box');
select is(pg_temp.typed('{"street_number": "12b"}'), 'street_number=12 repetition=B', 'without a space');
select is(pg_temp.typed('{"street_number": "12bis", "repetition": "ter"}'), 'street_number=12bis repetition=ter', 'not where there is another one');
select is(pg_temp.typed('{"street_number": "12-14"}'), 'street_number=12-14', 'what is no number stays, and is refused');
select is(pg_temp.typed('{"repetition": " BIS "}'), 'repetition=bis', 'an index as the file writes it');
select is(pg_temp.typed('{"repetition": "c"}'), 'repetition=C', 'a letter too');
select is(pg_temp.typed('{"street_number": null, "street": "3 ter rue B"}'), 'street_number=3 repetition=ter street=rue B', 'the line in the street''s box');
select is(pg_temp.typed('{"street": "3 rue B"}'), 'street_number=3 repetition=null street=rue B', 'where the number was left as it was, too');
select is(pg_temp.typed('{"street": "3 Fontaines"}'), 'street=3 Fontaines', 'but only what begins like a street');
select is(pg_temp.typed('{"street": "rue B"}'), 'street=rue B', 'a street alone keeps the number');
select is(pg_temp.typed('{"street_number": "4", "street": "3 rue B"}'), 'street_number=4 street=3 rue B', 'who gives a number has given it');
select is(pg_temp.typed('{"street": "3 rue B", "country": "BE"}'), 'street=3 rue B', 'abroad nothing is read into it');
select is(pg_temp.typed('{"street_number": null, "street": "3 rue A"}', '{"street": "3 rue A", "country": "FR"}'), 'street_number=null street=3 rue A', 'what the file holds is as it is');

-- a browser leaves the number that was there and fills in the street

select is(pg_temp.typed('{"street_number": "1", "repetition": null, "street": "3 avenue Z"}'), 'street_number=3 repetition=null street=avenue Z', 'the line''s number is the one that is meant');
select is(pg_temp.typed('{"street_number": "1", "street": "3 Fontaines"}'), 'street_number=1 street=3 Fontaines', 'not of what does not begin like a street');
select is(pg_temp.typed(input::jsonb, '{"street_number": "12", "repetition": "bis", "street": "rue A", "country": "FR"}'), want, input) from (values
    ('{"street_number": "12", "repetition": "bis", "street": "3 avenue Z"}', 'street_number=3 repetition=null street=avenue Z'),
    ('{"street_number": "12", "repetition": "bis", "street": "3 ter avenue Z"}', 'street_number=3 repetition=ter street=avenue Z'),
    ('{"street_number": "12", "repetition": "bis", "street": "avenue Z"}', 'street_number=12 repetition=bis street=avenue Z')) as x (input, want);

-- a town whose form has no box for a part

create function pg_temp.items(input jsonb, was jsonb default '{"street": "rue A", "country": "FR"}') returns text language sql as $$
    select string_agg(i.field || '=' || coalesce(i.asked #>> '{}', 'null'), ' ' order by i.rank)
      from portal.asked_items('guardian_address', portal.address_input(input, was, null), was, null) i $$;
create function pg_temp.unknown(input jsonb) returns text language sql as $$
    select string_agg(concat_ws(':', f->>'field', f->>'code'), ' ') from portal.address_input(input, '{"country": "FR"}', null) v,
        jsonb_array_elements(portal.ask_faults('guardian_address', v, '{"country": "FR", "postal_code": "59000", "city": "L"}' || v)) f $$;
savepoint boxes;
insert into portal.field_policy (tenant, section, field, policy) values (1, 'guardian_address', 'repetition', 'hidden');
select is(pg_temp.items('{"street": "12 rue des Lilas"}'), 'street_number=12 street=rue des Lilas', 'without an index there is a box for all');
select is(pg_temp.unknown('{"street": "12 rue des Lilas"}'), null, 'and nothing is wrong');
select is(pg_temp.items('{"street": "12 bis rue des Lilas"}'), 'street=12 bis rue des Lilas', 'an index that has none stays with its street');
select is(pg_temp.items('{"street_number": "12 bis", "street": "rue B"}'), 'street_number=12 bis street=rue B', 'or is refused, not lost');
update portal.field_policy set policy = 'shown' where field = 'repetition';
select is(pg_temp.items('{"street": "12 bis rue des Lilas"}'), 'street=12 bis rue des Lilas', 'one that is only shown as well');
insert into portal.field_policy (tenant, section, field, policy) values (1, 'guardian_address', 'street_number', 'hidden');
select is(pg_temp.items('{"street": "12 bis rue des Lilas"}'), 'street=12 bis rue des Lilas', 'and the number');
select is(pg_temp.unknown('{"street": "12 rue des Lilas"}'), null, 'nothing is wrong');
update portal.field_policy set policy = 'required' where section = 'guardian_address';
select is(pg_temp.unknown('{"street": "rue B"}'), null, 'nor does anybody have to have a number or an index');
select is(string_agg(f.name, ' ' order by f.rank), 'street_number repetition', 'no administrator can ask for them') from portal.field_settings('guardian_address') f
 where not f.needed and 'required_agent' <> all (f.choices);
rollback to boxes;

create function pg_temp.wrong(v jsonb) returns text language sql as $$
    select string_agg(concat_ws(':', f->>'field', f->>'code'), ' ') from jsonb_array_elements(portal.address_faults('{"country": "FR", "postal_code": "59000"}' || v)) f $$;
select is(pg_temp.wrong('{"street_number": "12", "repetition": "bis"}'), null, 'a number and an index');
select is(pg_temp.wrong('{}'), null, 'neither');
select is(pg_temp.wrong('{"street_number": "0"}'), 'street_number:street_number', 'no number');
select is(pg_temp.wrong('{"street_number": "12345"}'), 'street_number:street_number', 'nor too long a one');
select is(pg_temp.wrong('{"street_number": "12", "repetition": "AB"}'), 'repetition:repetition', 'no index');
select is(pg_temp.wrong('{"repetition": "bis"}'), 'repetition:number_first', 'an index of nothing');
select is(pg_temp.wrong('{"street_number": "x", "repetition": "xx", "postal_code": "1"}'), 'street_number:street_number repetition:repetition postal_code:postal_code', 'all that is wrong at once');
select is(pg_temp.wrong('{"country": "BE", "postal_code": "1000"}'), null, 'abroad');

-- the table

create function pg_temp.put(what text) returns text language plpgsql as $$
begin
    execute format('update portal.address set %s where guardian_id = %s', what, guardian('104201', 1));
    raise exception using errcode = 'ZZ000';
exception when sqlstate 'ZZ000' then return 'fine';
    when others then return sqlstate;
end $$;
select is(pg_temp.put(what), want, what) from (values
    ('street_number = ''12-14''', '23514'), ('street_number = ''012''', '23514'), ('repetition = ''a''', '23514'), ('repetition = ''Bis''', '23514'),
    ('street_number = null, repetition = ''bis''', '23514'), ('street = null', '23502'), ('street = repeat(''x'', 101)', '23514'),
    ('street = repeat(''x'', 100)', 'fine'), ('city_code = ''2A004''', 'fine'), ('city_code = ''2C004''', '23514'), ('city_code = ''5951''', '23514'),
    ('country = ''BE'', postal_code = ''1000''', '23514'), ('country = ''BE'', postal_code = ''1000'', city_code = null', 'fine'),
    ('ban_id = ''x''', '23514'), ('ban_score = 0.5', '23514'), ('ban_id = ''x'', ban_date = current_date', 'fine'),
    ('ban_id = ''x'', ban_date = current_date, ban_score = 1.1', '23514')) as x (what, want);

-- what is written

create function pg_temp.apply(v jsonb) returns text language sql as $$
    select portal.address_apply(guardian('104201', 1), portal.section_values('guardian_address', guardian('104201', 1)) || v);
    select concat_ws(' ', coalesce(city_code, '-'), coalesce(ban_id, '-'), ban_score, ban_date) from portal.address where guardian_id = guardian('104201', 1) $$;
update portal.address set city_code = null, street_number = '1', repetition = null, street = 'rue A', postal_code = '59100', city = 'Roubaix'
 where guardian_id = guardian('104201', 1);

select is(pg_temp.apply('{"city_code": "59512", "ban_id": "59512_1_00001", "ban_score": "0,9714", "ban_date": "2026-11-01"}'), '59512 59512_1_00001 0.971 2026-11-01', 'codes that come');
select is(pg_temp.apply('{"complement": "Étage 2", "hosted_by": "Mme X"}'), '59512 59512_1_00001 0.971 2026-11-01', 'stay where the place does');
select is(pg_temp.apply('{"repetition": "bis"}'), '59512 -', 'another number is another address of the same town');
select is(pg_temp.apply('{"ban_id": "59512_1_00001_bis"}'), '59512 59512_1_00001_bis ' || portal.today(), 'found today, where no day is said');
select is(pg_temp.apply('{"postal_code": "59000"}'), '- -', 'another postcode may be another town');
select is(pg_temp.apply('{"city_code": "59350", "ban_id": "b"}'), '59350 b ' || portal.today(), 'which is said again');
select is(pg_temp.apply('{"city": "Lille"}'), '- -', 'another town is');
select is(pg_temp.apply('{"city_code": "59350", "ban_id": "b"}'), '59350 b ' || portal.today(), 'again');
select is(pg_temp.apply('{"ban_id": null}'), '59350 -', 'a key is taken away');
select is(pg_temp.apply('{"country": "BE"}'), '- -', 'another country is another place');
select is(pg_temp.apply('{"country": "FR", "city_code": "59350"}'), '59350 -', 'and back');
select is(pg_temp.apply('{"country": "BE", "postal_code": "1000", "city": "Bruxelles"}'), '- -', 'abroad there is none');
select is(pg_temp.apply('{"city_code": "59350"}'), '- -', 'whoever says so');

select is((select string_agg(k, ' ' order by k) from jsonb_object_keys(portal.section_values('guardian_address', guardian('104201', 1))) k),
    'city complement country hosted_by locality postal_code repetition street street_number', 'no family is asked for a code');
select is_empty($$ select k from portal.guardian_documents(family('104201'), null, account('camille.martin@exemple.fr'), '{guardian_address}', '{guardian_address}') d,
    json_object_keys(d.document->'address') k where k ~ 'code$|^ban' and k <> 'postal_code' $$, 'nor shown one');

select * from finish();
rollback;
