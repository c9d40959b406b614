--
-- Families as the town's staff finds them: what a text means, and whose it is.
--

begin;
select * from no_plan();

select is(portal.search_key(t), k::jsonb, 'what is meant by ' || t) from (values
    ('Martin', '{"names": "MARTIN", "number": null}'),
    ('  d’Hérouville', '{"names": "DHEROUVILLE", "number": null}'),
    ('%_', '{"names": null, "number": null}'),
    ('104 201', '{"number": "104201", "phone": null}'),
    ('10420', '{"number": "10420", "phone": null}'),
    ('A-12', '{"names": "A12", "number": "A-12"}'),
    ('06 39 98 00 26', '{"number": "0639980026", "phone": "+33639980026"}'),
    ('+33 6.39.98', '{"number": "+336.39.98", "phone": "+3363998"}'),
    ('0032 2 123', '{"number": "00322123", "phone": "+322123"}'),
    ('Camille@', '{"email": "camille@"}')) as x (t, k);

select ok('MARTINZ' >= 'MARTIN' and 'MARTINZ' < portal.begun('MARTIN') and not 'MARTIO' < portal.begun('MARTIN'), 'the end of a beginning');

-- nobody but an agent

select throws_ok(format('select ask(%L, %L, %L)', 'saint-aubin', f, '{"search": "Martin", "family": "1", "child": "1", "guardian": "1"}'), 'PT403', 'not for them', f || ': not for nobody')
  from unnest(array['search_families', 'agent_family', 'agent_health', 'agent_tax', 'agent_child_photo']) f;
select throws_ok(format('select ask(%L, %L, %L, account(%L))', 'saint-aubin', f, '{"search": "Martin", "family": "1", "child": "1", "guardian": "1"}', 'camille.martin@exemple.fr'), 'PT403', 'not for them', f || ': nor for a parent')
  from unnest(array['search_families', 'agent_family', 'agent_health', 'agent_tax', 'agent_child_photo']) f;

select * from finish();
rollback;
