--
-- Charts: places are made of numbers here, since a template cannot reckon.
--

begin;
select * from no_plan();

select is(portal.chart('x', '[]', null, false), '{"name": "x", "rows": [], "height": 0}', 'nothing');
select results_eq($$ select (b->>'width')::int, b->'known', (b->>'second')::boolean
    from jsonb_path_query(portal.chart('x', '[{"values": [100, 50]}, {"values": [1, 0]}, {"values": [null]}, {"values": [1000]}]', 100, false), '$.rows[*].bars[*]') b $$,
    $$ values (204, 'true'::jsonb, false), (102, 'true', true), (2, 'true', false), (0, 'true', true), (0, 'false', false), (204, 'true', false) $$,
    'bars as long as their numbers; none is longer than its room');
select is((portal.chart('x', '[{"values": [1]}]', 100000, false) #>> '{rows,0,bars,0,width}')::int, 1, 'what is there is seen');
select ok(not exists (select from jsonb_path_query(portal.chart('x', '[{"values": [7, 3]}, {"values": [5]}]', 7, a), '$.rows[*].bars[*].y') y
    group by y having count(*) > 1), 'no bar lies on another') from unnest(array[false, true]) a;

select is(array_length(portal.month_starts(), 1), 12, 'twelve months');
select is(portal.day_of(m), date_trunc('month', portal.day_of(m))::date, 'each begins in the town') from unnest(portal.month_starts()) m;

select throws_ok($$ select ask('saint-aubin', 'statistics') $$, 'PT403', 'not for them', 'not for nobody');
select throws_ok($$ select ask('saint-aubin', 'statistics', '{}', account('camille.martin@exemple.fr')) $$, 'PT403', 'not for them', 'nor for a parent');

select * from finish();
rollback;
