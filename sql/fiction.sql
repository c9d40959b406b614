--
-- Values that look right and belong to nobody; shared by the demo and the
-- generator.  Functions of this session only.
--

create function pg_temp.pick(list text[], seed bigint) returns text
    language sql immutable
    return list[1 + abs(hashint8(seed)::bigint) % cardinality(list)];

-- telephones of the ranges kept for fiction
create function pg_temp.mobile(seed bigint) returns text
    language sql immutable
    return '+3363998' || lpad((abs(hashint8(seed)::bigint) % 10000)::text, 4, '0');

create function pg_temp.landline(seed bigint) returns text
    language sql immutable
    return '+3335301' || lpad((abs(hashint8(seed)::bigint) % 10000)::text, 4, '0');

-- 13 digits, the last three are the first ten modulo 511
create function pg_temp.tax_number(seed bigint) returns text
    language sql immutable
    return (select lpad(b::text, 10, '0') || lpad((b % 511)::text, 3, '0')
              from (select abs(hashint8extended(seed, 7)) % 3000000000 as b) x);

create function pg_temp.iban(seed bigint) returns text
    language sql immutable
    return (select 'FR' || lpad((98 - ((bban || '152700')::numeric % 97))::text, 2, '0') || bban
              from (select '3000600001' || lpad(c::text, 11, '0')
                           || lpad((97 - (89 * 30006::numeric + 15 * 1 + 3 * c::numeric) % 97)::text,
                                   2, '0') as bban
                      from (select abs(hashint8extended(seed, 11)) % 100000000000 as c) x) y);

create function pg_temp.school_year() returns text
    language sql stable
    return (select y || '-' || (y + 1)
              from (select extract(year from current_date - interval '8 months')::int as y) x);

create function pg_temp.level(born date) returns text
    language sql stable
    return coalesce((array['tps', 'ps', 'ms', 'gs', 'cp', 'ce1', 'ce2', 'cm1', 'cm2'])
        [left(pg_temp.school_year(), 4)::int - extract(year from born)::int - 1], 'other');
