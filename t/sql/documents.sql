--
-- The family file, kept ready: whatever changes, what is read is what the file
-- holds.  Each column of each table that documents are made of is changed.
--

begin;
select * from no_plan();

create temp table picked on commit drop as
select id from portal.family where number in ('104201', '104202', '104203');

insert into portal.subscription (tenant, account_id, family_id, guardian_id, since, effective_at)
select 1, account('ines.faure@exemple.fr'), family('104203'), guardian('104203', 1), now(), now();

insert into portal.upload (tenant, id, family_id, section, field, kind, size, pieces)
select 1, id::uuid, family('104201'), 'child_photo', 'photo', 'jpeg', 100, 1
  from unnest('{c1d2e3f4-0000-4000-8000-000000000001,c1d2e3f4-0000-4000-8000-000000000002,c1d2e3f4-0000-4000-8000-000000000003,c1d2e3f4-0000-4000-8000-000000000004}'::text[]) id;
insert into portal.child_photo (tenant, child_id, upload_id)
select 1, id, ('c1d2e3f4-0000-4000-8000-00000000000' || case first_name when 'Nina' then 2 else 3 end)::uuid from portal.child where tenant = 1 and first_name in ('Nina', 'Hugo');

insert into portal.child_pai (tenant, child_id, upload_id, set_id, until)
select 1, id, 'c1d2e3f4-0000-4000-8000-000000000004', 1, '2030-01-01' from portal.child where tenant = 1 and first_name = 'Nina';
update portal.health set vaccines = 'no' where child_id in (select child_id from portal.child_pai);

-- reads the file of each connected account, so that a document of it is kept
create function pg_temp.warm() returns bigint language sql as $$
    select count(tap.ask('saint-aubin', 'family', '{}', u.account_id, u.family_id))
      from portal.subscription u
     where u.family_id in (select id from picked) and u.ended_at is null and u.effective_at is not null $$;
create function pg_temp.kept() returns bigint language sql as $$
    select count(*) from portal.family_document d join portal.family f on f.id = d.family_id and f.version = d.version
      join portal.town t on t.id = d.tenant and t.version = d.town_version where d.family_id in (select id from picked) $$;

-- all that documents say, built; versions and dates of the file left out
create function pg_temp.built() returns text language sql as $$
    select string_agg(d.viewers::text || d.guardians::text || d.children::text || (d.head::jsonb - 'version' - 'updated')::text, E'\n' order by p.id)
      from picked p cross join lateral portal.made_document(p.id) d $$;

select is(pg_temp.warm(), 4::bigint, 'four guardians read');
select is(pg_temp.kept(), 3::bigint, 'a document of each family is kept');
select is(portal.check_documents(), 0::bigint, 'as it would be built');
select ok(bool_and(a->'guardians' = d.guardians[array_position(d.viewers, u.account_id)]::jsonb
                   and a->'children' = d.children::jsonb and (a->'family'->>'version')::bigint = d.version),
          'and what is read is what is kept')
  from portal.subscription u join portal.family_document d on d.family_id = u.family_id
 cross join lateral ask('saint-aubin', 'family', '{}', u.account_id, u.family_id) a
 where u.family_id in (select id from picked) and u.ended_at is null;

-- what is kept is served: a mark in it is read
savepoint marked;
update portal.family_document set children = '["mark"]' where family_id = family('104201');
select is(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->'children', '["mark"]', 'nothing is built meanwhile');
select is(portal.check_documents(), 1::bigint, 'a wrong document is told');
rollback to marked;

-- values that some column or other takes
create temp table try (n serial, value text) on commit drop;
insert into try (value) values ('Zzyx'), ('other'), ('mother'), ('mr'), ('mrs'), ('f'), ('yes'), ('no'), ('vegetarian'), ('msa'), ('caf'), ('ce1'), ('BE'),
    ('69001'), ('BNPAFRPPXXX'), ('A1B2'), ('+33612345679'), ('zz@exemple.fr'), ('2031-2032'), (repeat('B', 60)), ('Z-1'), ('75056'), ('image_web'),
    ('2019-03-04'), ('true'), ('false'), ('7'), ('0.75'), ('c1d2e3f4-0000-4000-8000-000000000001'), (tap.mac('other')), ('\x' || tap.mac('other')), (null);
-- codes of an address are there together, and none abroad
update portal.address a set city_code = null, ban_id = '59512_0001', ban_score = 0.5, ban_date = '2026-01-02' where a.family_id in (select id from picked);
insert into try (value) values ('B');
insert into try (value) select id::text from picked union all select id::text from portal.guardian where family_id in (select id from picked)
    union all select child_id::text from portal.child_family where family_id in (select id from picked)
    union all select id::text from portal.account where email in ('ines.faure@exemple.fr', 'sophie.dubois@exemple.fr');

-- changes a column of each row, one by one, to two values or until a document
-- says something else; of keys to all values. What is kept must follow each time.  Result: moved, still or fixed (no
-- value is accepted), or what is wrong
create function pg_temp.shake(tab text, col text, before text) returns text language plpgsql as $$
declare v_result text := 'fixed'; v_row tid; v_value text; v_after text; v_wrong bigint; v_done bigint; v_tried int; v_key boolean := col like '%\_id';
begin
    for v_row in execute format('select ctid from portal.%I x where %s', tab, pg_temp.about(tab)) loop
        v_tried := 0;
        for v_value in select value from try order by n loop
            begin
                v_done := 0;
                execute format('update portal.%I x set %I = %L where ctid = %L and x.%2$I is distinct from %3$L', tab, col, v_value, v_row);
                get diagnostics v_done = row_count;
                set constraints all immediate;
                v_after := pg_temp.built();
                v_wrong := case when v_after <> before then portal.check_documents() else 0 end;
                raise exception using errcode = 'ZZ000';
            exception
                when sqlstate 'ZZ000' then
                    if v_wrong > 0 then
                        return 'kept as it was: ' || coalesce(v_value, 'null');
                    elsif v_done = 1 then
                        v_tried := v_tried + 1;
                        v_result := case when before <> v_after or v_result = 'moved' then 'moved' else 'still' end;
                    end if;
                when others then
                    null;   -- no value of that column
            end;
            exit when not v_key and (v_tried >= 2 or v_done = 1 and before <> v_after);
        end loop;
    end loop;
    return v_result;
end $$;

-- the rows of a table that the families' documents are made of
create function pg_temp.about(tab text) returns text language sql as $$
    select case when $1 = 'family' then 'id in (select id from picked)'
                when $1 = 'child' then 'id in (select child_id from portal.child_family where family_id in (select id from picked))'
                when exists (select from pg_attribute where attrelid = ('portal.' || $1)::regclass and attname = 'family_id') then 'family_id in (select id from picked)'
                else 'child_id in (select child_id from portal.child_family where family_id in (select id from picked))' end $$;

-- what the two functions read, as PostgreSQL knows it, and what they rest on
create temp table part on commit drop as
select distinct c.relname::text as tab
  from pg_depend d join pg_class c on c.oid = d.refobjid
 where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_class'::regclass
   and d.objid in (select oid from pg_proc where proname in ('guardian_documents', 'child_documents'))
union select 'family' union select 'child_pai';    -- pai_documents() is no part of what PostgreSQL knows

create temp table shaken on commit drop as
select tab, a.attname::text as col, pg_temp.shake(tab, a.attname::text, b.built) as what
  from pg_temp.built() b (built), part join pg_class c on c.relname = tab and c.relnamespace = 'portal'::regnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> 'tenant';

select is_empty($$select * from shaken where what not in ('moved', 'still', 'fixed')$$, 'each column that changes a document makes it be built anew');
select is((select string_agg(tab || '.' || col, ' ' order by tab collate "C", col collate "C") from shaken where what = 'fixed'),
    'address.family_id address.guardian_id authorisation.child_id authorisation.code bank.family_id child.id child_family.child_id child_family.family_id contact.family_id family.id guardian.family_id guardian.id health.child_id subscription.ended_at subscription.family_id tax.family_id',
    'keys that nothing may take alone: see below');
select is((select string_agg(tab || '.' || col, ' ' order by tab collate "C", col collate "C") from shaken where what = 'still'),
    'address.ban_date address.ban_id address.ban_score address.city_code authorisation.guardian_id authorisation.text_id bank.iban bank.iban_mac child.external_id child.left_at child_pai.set_id child_pai.until child_pai.upload_id child_photo.upload_id family.accounting_code family.external_id family.label family.updated_at family.version guardian.external_id guardian.stranger_since health.allergies_mac health.allergy_action_mac health.notes_mac health.treatment_mac subscription.code_id subscription.effective_at subscription.id subscription.since tax.caf_mac tax.notice_reference_mac tax.reference_income_mac tax.tax_number_mac',
    'what no document shows');

-- rows that go and come

create function pg_temp.gone(tab text) returns text language plpgsql as $$
declare v_row tid; v_wrong bigint; v_back bigint; v_count int := 0;
begin
    perform pg_temp.warm();
    for v_row in execute format('select ctid from portal.%I where %s', tab, pg_temp.about(tab)) loop
        begin
            execute format('create temp table away on commit drop as select * from portal.%I where ctid = %L', tab, v_row);
            execute format('delete from portal.%I where ctid = %L', tab, v_row);
            v_wrong := portal.check_documents();
            perform pg_temp.warm();
            execute format('insert into portal.%I (%s) overriding system value select %2$s from away', tab,
                (select string_agg(quote_ident(attname), ', ') from pg_attribute
                  where attrelid = ('portal.' || tab)::regclass and attnum > 0 and not attisdropped and attgenerated = ''));
            v_back := portal.check_documents();
            raise exception using errcode = 'ZZ000';
        exception
            when sqlstate 'ZZ000' then
                if v_wrong + v_back > 0 then
                    return v_wrong || ' wrong without it, ' || v_back || ' with it again';
                end if;
                v_count := v_count + 1;
            when foreign_key_violation or check_violation then null;
        end;
    end loop;
    return case when v_count > 0 then 'ok' else 'none' end;
end $$;
select is(pg_temp.gone(tab), 'ok', tab || ': rows that go and come') from part where tab <> 'family';

-- rows that go over to somebody else

create function pg_temp.after(query text) returns text language plpgsql as $$
declare v_before text; v_after text; v_wrong bigint;
begin
    perform pg_temp.warm();
    v_before := pg_temp.built();
    execute query;
    v_wrong := portal.check_documents();
    v_after := pg_temp.built();
    return case when v_wrong > 0 then v_wrong || ' wrong' when v_before = v_after then 'still' else 'moved' end;
end $$;
create function pg_temp.child(name text) returns bigint language sql as $$ select id from portal.child where first_name = name and tenant = 1 order by id limit 1 $$;

savepoint over;
select is(pg_temp.after($$update portal.subscription set ended_at = now() where family_id = family('104203')$$), 'moved', 'a subscription that ends');
rollback to over;
delete from portal.address where guardian_id = guardian('104203', 1);
select is(pg_temp.after($$update portal.address set (family_id, guardian_id) = (family('104203'), guardian('104203', 1)) where guardian_id = guardian('104201', 1)$$), 'moved', 'an address');
rollback to over;
delete from portal.health where child_id = pg_temp.child('Hugo');
select is(pg_temp.after($$update portal.health set child_id = pg_temp.child('Hugo') where child_id = pg_temp.child('Nina')$$), 'moved', 'a child''s health');
rollback to over;
delete from portal.contact where family_id = family('104201');
select is(pg_temp.after($$update portal.child_family set (family_id, rank) = (family('104203'), 9) where family_id = family('104201') and child_id = pg_temp.child('Nina')$$), 'moved', 'a child that moves in with another household');
rollback to over;
insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link) values (1, family('104201'), 9, 'Martin', 'Mamie', 'other');
select is(pg_temp.after($$update portal.guardian set family_id = family('104202') where first_name = 'Mamie'$$), 'moved', 'a guardian who goes over to one that shares a child with a third');
rollback to over;
insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link) values (1, family('104201'), 9, 'Martin', 'Mamie', 'other');
select is(pg_temp.after($$update portal.subscription set (family_id, guardian_id) = (family('104201'), guardian('104201', 9)) where family_id = family('104203')$$), 'moved', 'a subscription');
rollback to over;


-- who sees what

create function pg_temp.seen(query text) returns text language sql as $$
    select pg_temp.after($1) || ', ' || pg_temp.kept() || ' kept' $$;
savepoint seen;
select is(pg_temp.seen($$update portal.town set shared_groups = '{guardian_tax,guardian_bank}' where id = 1$$), 'moved, 0 kept', 'a town that shares more');
rollback to seen;
select is(pg_temp.seen($$update portal.visibility set see = false, ask = false where (field_group, viewer) = ('child_health', 'same_family')$$), 'moved, 0 kept', 'a group that is not seen any more');
rollback to seen;
select is(pg_temp.seen($$delete from portal.visibility where field_group = 'guardian_basic'$$), 'moved, 0 kept', 'nor has a line');
rollback to seen;

-- what is no more in the file is not kept in its copy

select pg_temp.warm();
update portal.contact set last_name = 'Disparu' where family_id = family('104201');
select is((select row(version, head is null, viewers, cardinality(guardians), children is null)::text from portal.family_document where family_id = family('104201')), '(0,t,{},0,t)', 'emptied at once');
select is((select count(*) from portal.family_document where version <> 0 and family_id in (select id from picked)), 2::bigint, 'and no other');

-- another household's date does not tell of what it does not show

create temp table before on commit drop as select id, number, version from portal.family;
update portal.guardian set phone_mobile = '+33698765432' where id = guardian('104203', 1);
select results_eq($$select f.number from portal.family f join before b using (id) where f.version <> b.version$$, $$values ('104203')$$, 'a telephone is of its own household alone');
update portal.guardian set first_name = 'Tom' where id = guardian('104203', 1);
select results_eq($$select f.number from portal.family f join before b using (id) where f.version <> b.version order by 1$$, $$values ('104202'), ('104203')$$, 'a name is seen in both');
update portal.family set version = 1 where number = '104201';
select ok((select f.version > b.version from portal.family f join before b using (id) where f.number = '104201'), 'a version never comes back');

-- what the town hides is a part of each: made anew at once, in this town alone

select pg_temp.warm();
insert into portal.field_policy (tenant, section, field, policy) values (2, 'child_health', 'pai', 'hidden');
select is(pg_temp.kept(), 3::bigint, 'another town''s policy is nothing here');
insert into portal.field_policy (tenant, section, field, policy) values (1, 'child_health', 'pai', 'hidden'), (1, 'child_contact', 'phone_home', 'hidden');
select is(pg_temp.kept(), 0::bigint, 'no document of before a policy counts');
select pg_temp.warm();
select ok(not exists (select from portal.family_document d cross join jsonb_path_query(d.children::jsonb, '$[*] ? (exists(@.health.pai) || exists(@.contacts[*].phone_home))') where d.family_id in (select id from picked)),
          'nor is what is hidden in the copy');
select is(portal.check_documents(), 0::bigint, 'as it would be built');
update portal.field_policy set policy = 'shown' where tenant = 1;
select is(pg_temp.kept(), 0::bigint, 'nor does one of before another policy');
select pg_temp.warm();
delete from portal.field_policy where tenant = 1;
select is(pg_temp.kept(), 0::bigint, 'nor of before none');
select is(portal.hidden_fields(), null, 'then nothing is hidden');
insert into portal.field_policy (tenant, section, field, policy) values (1, 'child_photo', 'photo', 'hidden'), (1, 'child_general', 'last_name', 'hidden');
select is(portal.hidden_fields(), '{"child_photo": {"all": true, "photo": true}}', 'a section as a whole; a name is hidden on forms only');
delete from portal.field_policy;

-- what is read: kept or built, the same to the byte, and kept only as long as it counts

-- the file as it is built, and once more as it is kept
create function pg_temp.twice(address text, number text) returns text[] language plpgsql as $$
declare v_built text;
begin
    perform tap.ask('saint-aubin', 'family', '{}', tap.account(address), tap.family(number));
    delete from portal.family_document;
    v_built := portal.family('{}');
    if not exists (select from portal.family_document where family_id = tap.family(number)) then return array[v_built, 'not kept']; end if;
    return array[v_built, portal.family('{}')::text];
end $$;
create function pg_temp.choices(address text, number text) returns text language sql as $$
    select string_agg(case when o = 1 then 'built ' else 'kept ' end || (select string_agg((f->>'number') || case f->>'current' when 'true' then '*' else '' end, ' ')
        from json_array_elements(t::json->'families') f), ', ' order by o) from unnest(pg_temp.twice($1, $2)) with ordinality x (t, o) $$;
create function pg_temp.asked(address text, number text) returns text language sql as $$
    select string_agg(coalesce((select string_agg(a->>'number', ' ') from json_array_elements(t::json->'asked') a), 'none'), ', ' order by o)
      from unnest(pg_temp.twice($1, $2)) with ordinality x (t, o) $$;
create function pg_temp.adds(who text, number text, fam text, kind text default 'add') returns void language sql as $$
    insert into portal.change_set (tenant, number, family_id, section, action, subject, account_id, due_on) values (1, $2, family($3), 'guardian_basic', $4, 'Essai', account($1), current_date) $$;

savepoint twice;
select is(t[1], t[2], 'kept as built: ' || a || ' ' || n) from (values ('camille.martin@exemple.fr', '104201'), ('monique.petit@exemple.fr', '104207'), ('monique.petit@exemple.fr', '104210')) x (a, n), pg_temp.twice(a, n) t;
select is((select string_agg(k, ' ') from json_object_keys(t[o]::json) k), 'status family families guardians children asked', 'in this order, ' || o) from pg_temp.twice('monique.petit@exemple.fr', '104210') t, generate_series(1, 2) o;
select is(pg_temp.choices('camille.martin@exemple.fr', '104201'), 'built 104201*, kept 104201*', 'one family');
select is(pg_temp.choices('monique.petit@exemple.fr', '104207'), 'built 104207* 104210, kept 104207* 104210', 'two');
select is(pg_temp.choices('monique.petit@exemple.fr', '104210'), 'built 104207 104210*, kept 104207 104210*', 'and the other one of them');
update portal.subscription set effective_at = null where family_id = family('104207') and account_id = account('monique.petit@exemple.fr');
select is(pg_temp.choices('monique.petit@exemple.fr', '104210'), 'built 104210*, kept 104210*', 'none that has yet to open');
update portal.subscription set effective_at = now(), ended_at = now() where family_id = family('104207') and account_id = account('monique.petit@exemple.fr');
select is(pg_temp.choices('monique.petit@exemple.fr', '104210'), 'built 104210*, kept 104210*', 'nor one that has ended');
select is(pg_temp.asked('camille.martin@exemple.fr', '104201'), 'none, none', 'nobody is asked for');
select pg_temp.adds('camille.martin@exemple.fr', '2031-0000001', '104201');
select pg_temp.adds('camille.martin@exemple.fr', '2031-0000002', '104202');
select pg_temp.adds('sophie.dubois@exemple.fr', '2031-0000003', '104201');
select is(pg_temp.asked('camille.martin@exemple.fr', '104201'), '2031-0000001, 2031-0000001', 'one''s own, of this family');
select is(t[1], t[2], 'kept as built, somebody asked for') from pg_temp.twice('camille.martin@exemple.fr', '104201') t;
update portal.change_set set state = 'withdrawn' where number = '2031-0000001';
select is(pg_temp.asked('camille.martin@exemple.fr', '104201'), 'none, none', 'open ones alone');

select pg_temp.warm();
update portal.family_document set children = '["mark"]', version = version + 1 where family_id = family('104201');
select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->'children', '["mark"]', 'of another version of the family: not read');
delete from portal.family_document;
select pg_temp.warm();
update portal.family_document set children = '["mark"]' where family_id = family('104201');
update portal.town set hours = 'le matin' where id = 1;
select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->'children', '["mark"]', 'of another version of the town: not read');
select isnt((select d.children::text from portal.family_document d where d.family_id = family('104201')), '["mark"]', 'but kept anew');

-- whom enter() has let in may have left since
select ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'status' as status, set_config('portal.account', account('ines.faure@exemple.fr')::text, true) as account;
select is(portal.family('{}')::jsonb, '{"status": 404, "family": null, "families": [], "guardians": [], "children": [], "asked": []}', 'nobody but its viewers');
rollback to twice;

-- nothing older takes the place of what is newer, nothing is kept where one may not write

select pg_temp.warm();
create temp table old on commit drop as select * from portal.family_document where family_id = family('104202');
update portal.health set doctor_name = 'Docteur Neuf' where child_id in (select child_id from portal.child_family where family_id = family('104202'));
select portal.keep_document(row(o.*)::portal.family_document) from old o;
select is((select version from portal.family_document where family_id = family('104202')), 0::bigint, 'a document of before is not kept');
select pg_temp.warm();
update portal.family_document set town_version = town_version + 1 where family_id = family('104202');
select pg_temp.warm();
select is((select d.town_version - t.version from portal.family_document d join portal.town t on t.id = d.tenant where family_id = family('104202')), 1::bigint, 'nor over a later one of the town');
delete from portal.family_document;
insert into portal.session (tenant, hash, account_id, epoch, absolute_until) values (1, decode(mac('reader'), 'hex'), account('camille.martin@exemple.fr'), 1, now() + interval '1 hour');
savepoint reading;
set transaction read only;
select portal.enter('saint-aubin', mac('reader'), account('camille.martin@exemple.fr'), 1, family('104201'), null, 1, 'r') is not null as entered;
select is(portal.family('{}')->>'status', '200', 'read where nothing may be written');
rollback to reading;
select is((select count(*) from portal.family_document), 0::bigint, 'nothing is kept');

select * from finish();
rollback;
