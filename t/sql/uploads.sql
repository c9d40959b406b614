--
-- Files: limits, whose they are, what becomes of them; a child's photo.
--

begin;
select * from no_plan();

select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');

create function pg_temp.child() returns bigint language sql as $$
    select min(m.child_id) from portal.child_family m where m.tenant = 1 and m.family_id = family('104201') $$;
create function pg_temp.up(what jsonb default '{}') returns jsonb language sql as $$
    select jsonb_build_object('section', 'child_photo', 'child', pg_temp.child()::text, 'upload',
        '{"id": "6f3c1c5e-0000-4000-8000-000000000001", "field": "photo", "kind": "jpeg", "store": "photo", "size": 300000, "pieces": 2, "piece": 0}'
        || jsonb_build_object('sealed', repeat('A', 60)) || what) $$;
create function pg_temp.store(what jsonb default '{}') returns jsonb language sql as $$
    select portal.store_upload(pg_temp.up(what))::jsonb $$;

-- constraints

prepare bad_kind as insert into portal.upload (tenant, id, section, field, kind, size, pieces) values (1, gen_random_uuid(), 'child_photo', 'photo', 'svg', 1, 1);
select throws_ok('bad_kind', '23514', null, 'nothing but pictures and PDF');
prepare bad_size as insert into portal.upload (tenant, id, section, field, kind, size, pieces) values (1, gen_random_uuid(), 'child_photo', 'photo', 'pdf', 60000000, 1);
select throws_ok('bad_size', '23514', null, 'nor what is too large');
prepare no_file as insert into portal.child_photo (tenant, child_id, upload_id) values (1, pg_temp.child(), gen_random_uuid());
select throws_ok('no_file', '23503', null, 'a photo is a file');
select is_empty($$ select table_name, grantee from information_schema.role_table_grants where table_name in ('upload', 'upload_piece', 'child_photo') and grantee in ('portal_web', 'portal_jobs', 'PUBLIC') $$, 'nobody reads files but functions');

-- storing

select is(pg_temp.store()->>'status', '200', 'the first piece');
select is(portal.kept_uploads('child_photo', null, pg_temp.child(), null)::text, '[]', 'half a file is none');
select is(pg_temp.store('{"piece": 2}')->>'status', '404', 'the third before the second');
select is(pg_temp.store('{"piece": 1}')->>'status', '200', 'the second piece');
select is(pg_temp.store('{"piece": 1}')->>'status', '404', 'not twice');
select is(portal.kept_uploads('child_photo', null, pg_temp.child(), null)::jsonb #- '{0,id}', '[{"number": 1, "name": "photo.jpg", "file_kind": "jpeg", "kilobytes": 300, "waits": true}]', 'it is kept for its sender');
select is(portal.kept_uploads('child_photo', null, pg_temp.child() + 1, null)::text, '[]', 'for that child');
select is(portal.store_upload(pg_temp.up() || '{"child": "99999"}')::jsonb->>'status', '404', 'of a child that is none of theirs nothing is stored');
select is(pg_temp.store('{"id": "6f3c1c5e-0000-4000-8000-000000000002", "pieces": 1}')->>'status', '200', 'another photo');
select is((select count(*)::int from portal.upload), 1, 'takes the place of the first');
create function pg_temp.me() returns text language sql as $$ select guardian_id::text from portal.subscription where account_id = account('camille.martin@exemple.fr') $$;
create function pg_temp.paper(p_n int, what jsonb default '{}') returns text language sql as $$
    select coalesce(r #>> '{errors,0,code}', r->>'status')
      from (select portal.store_upload(jsonb_build_object('section', 'guardian_address', 'guardian', pg_temp.me()) || what || jsonb_build_object('upload', jsonb_build_object(
        'id', '6f3c1c5e-0000-4000-8000-0000000001' || lpad(p_n::text, 2, '0'), 'field', 'document', 'kind', 'pdf', 'store', 'document', 'size', 1000,
        'pieces', 1, 'piece', 0, 'sealed', repeat('A', 60)) || coalesce(what->'upload', '{}')))::jsonb as r) x $$;
select is(pg_temp.store('{"store": "document"}') #>> '{errors,0,code}', 'unknown_field', 'a document is no photo');
select is(pg_temp.paper(1, '{"upload": {"store": "photo"}}'), 'unknown_field', 'nor the other way');
select is(pg_temp.paper(1, '{"section": "guardian_basic"}'), 'unknown_field', 'no document where none is asked for');
update portal.town set uploads_waiting = 1 where id = 1;
select is(pg_temp.paper(1), 'uploads_waiting', 'no more than so many wait');
update portal.town set uploads_waiting = 20, upload_space = 1 where id = 1;
select is(pg_temp.paper(1, '{"upload": {"size": 748577}}'), 'upload_space', 'nor one byte more than so many');
select is(pg_temp.paper(1, '{"upload": {"size": 748576}}'), '200', 'the last byte fits');
update portal.town set upload_space = 50 where id = 1;
select is((select string_agg(pg_temp.paper(n), ' ' order by n) from generate_series(2, 6) n), '200 200 200 200 documents_many', 'five at most for a request');
select is((select string_agg(x->>'name', ' ') from jsonb_array_elements(portal.kept_uploads('guardian_address', pg_temp.me()::bigint, null, null)::jsonb) x),
    'justificatif-1.pdf justificatif-2.pdf justificatif-3.pdf justificatif-4.pdf justificatif-5.pdf', 'by names of ours');
delete from portal.upload where section = 'guardian_address';
select is((select string_agg(pg_temp.paper(n, '{"upload": {"pieces": 2}}'), ' ' order by n) from generate_series(1, 6) n), '200 200 200 200 200 200', 'six that come at the same time');
select is((select string_agg(pg_temp.paper(n, '{"upload": {"pieces": 2, "piece": 1}}'), ' ' order by n) from generate_series(1, 6) n), '200 200 200 200 200 documents_many', 'are five once they are whole');
select is((select count(*)::int from portal.upload where section = 'guardian_address'), 5, 'the sixth is not kept');
delete from portal.upload where section = 'guardian_address';
create function pg_temp.same(p_n int, what jsonb default '{}') returns text language sql as $$
    select pg_temp.paper(p_n, jsonb_build_object('upload', jsonb_build_object('mac', mac('same')) || what)) $$;
select is(pg_temp.same(11) || pg_temp.same(12), '200200', 'the same twice');
select is((select string_agg(right(id::text, 2), '') from portal.upload where section = 'guardian_address'), '11', 'is one');
delete from portal.upload where section = 'guardian_address';
select is(pg_temp.same(n, '{"pieces": 2}'), '200', 'two at once: ' || n) from unnest(array[13, 14]) n;
select is(pg_temp.same(n, '{"pieces": 2, "piece": 1}'), '200', 'and both whole') from unnest(array[14, 13]) n;
select is((select string_agg(right(id::text, 2), '') from portal.upload where section = 'guardian_address'), '14', 'the first that was whole is it');
prepare twice as insert into portal.upload (tenant, id, family_id, account_id, section, field, guardian_id, kind, size, pieces, stored, content_mac)
    select tenant, gen_random_uuid(), family_id, account_id, section, field, guardian_id, kind, size, pieces, stored, content_mac from portal.upload where section = 'guardian_address';
select throws_ok('twice', '23505', null, 'and there cannot be two');
delete from portal.upload where section = 'guardian_address';
select is(portal.document_needed('guardian_address', 'change') || portal.document_needed('guardian_address', 'add') || portal.document_needed('child_health', 'change'), 'askednoasked', 'where one is asked for');
insert into portal.section_document values (1, 'guardian_address', 'required'), (1, 'child_health', 'no');
select is(portal.document_needed('guardian_address', 'change') || portal.document_needed('child_health', 'change'), 'requiredno', 'is the town''s to say');
select is(portal.document_faults(jsonb_build_object('section', 'guardian_address'), pg_temp.me()::bigint, null, null) #>> '{0,code}', 'required', 'none, where it must be');

-- asking

select is(portal.section_values('child_photo', pg_temp.child()), '{"photo": null}', 'no photo yet');
select matches(portal.ask_change(pg_temp.up() - 'upload' || '{"_": {}}')::jsonb->>'location', '/famille/demandes/', 'the one that waits is asked for');
select is((select count(*)::int from portal.upload where set_id is not null), 1, 'and named');
select is(portal.ask_change(pg_temp.up() - 'upload' || '{"_": {}, "step": "remove"}')::jsonb->>'notice', 'withdrawn', 'that there be none withdraws it');
select is(portal.ask_change(pg_temp.up() - 'upload' || '{"_": {}}')::jsonb #>> '{errors,0,code}', 'required', 'then there is none to ask for');
select is(portal.child_photo_faults('{"photo": "6f3c1c5e-0000-4000-8000-00000000000f"}') #>> '{0,code}', 'photo_gone', 'one that is no more cannot be');

-- the end

select is(portal.purge()::jsonb->>'note', null, 'nothing is over');
update portal.change_set set updated_at = now() - interval '31 days';
select matches(portal.purge()::jsonb->>'note', 'upload 1', 'a photo that was not taken goes after 30 days');
select is_empty('select 1 from portal.upload_piece', 'with its bytes');

select * from finish();
rollback;
