--
-- A town's theme: contrasts as WCAG 2 counts them, and what is refused.
--

begin;
select * from no_plan();

select is(round(portal.contrast('#000000', '#ffffff')::numeric, 2), 21.00, 'black on white');
select is(round(portal.contrast('#ffffff', '#000000')::numeric, 2), 21.00, 'either way');
select is(round(portal.contrast('#123456', '#123456')::numeric, 2), 1.00, 'a colour on itself');
select is(round(portal.contrast('#777777', '#ffffff')::numeric, 2), 4.48, 'the grey just too light');
select is(round(portal.contrast('#767676', '#ffffff')::numeric, 2), 4.54, 'the one just dark enough');
select is(round(portal.contrast('#ff0000', '#ffffff')::numeric, 2), 4.00, 'red');
select is(portal.contrast('red', '#ffffff'), null, 'what is no #rrggbb');
select is(portal.contrast('#ffffff', null), null, 'nor anything');

create function pg_temp.faults(change jsonb) returns text[] language sql as $$
    select portal.theme_faults(t.theme || change) from portal.town t where t.slug = 'saint-aubin' $$;

select is(portal.theme_faults(t.theme), '{}', 'the theme of ' || t.slug) from portal.town t;
-- never rounded up to what is needed
select is(pg_temp.faults('{"brand": "#5fa8ad"}'), array['#ffffff on brand: 2.73 where 4.5 is needed',
    'accent on brand: 1.68 where 3 is needed', 'brand on #f6f5f1: 2.50 where 4.5 is needed',
    'brand on #ffffff: 2.73 where 4.5 is needed', 'brand on brand_light: 2.35 where 3 is needed',
    'on_brand on brand: 2.73 where 4.5 is needed'], 'a brand too light');
select is(pg_temp.faults('{"accent": "#7a3b00"}'), array['#111111 on accent: 2.20 where 4.5 is needed',
    'accent on brand: 1.03 where 3 is needed', 'accent on brand_dark: 1.45 where 3 is needed'], 'an accent too dark');
select is(pg_temp.faults('{"brand": "teal"}'), '{"brand: write #rrggbb"}', 'a name of a colour');
select is(pg_temp.faults('{"radius": "1px; } body { display: none"}'), '{"radius: write 0 or a number of rem"}', 'what would leave the rule');
select is(pg_temp.faults('{"font_title": "x}"}'), '{"font_title: write names of fonts"}', 'in a font too');
select is(pg_temp.faults('{"shadow": "none"}'), '{"shadow: not known"}', 'what the sheet has not');
select is(array_length(portal.theme_faults('{}'), 1), 6, 'what every theme says');

select throws_ok($$update portal.town set theme = theme || '{"brand": "#5fa8ad"}' where slug = 'saint-aubin'$$,
    '23514', null, 'is refused when it is installed');
select lives_ok($$update portal.town set theme = theme || '{"brand": "#0f5250"}' where slug = 'saint-aubin'$$,
    'a good one is not');
select matches(portal.theme_sheet(t.theme), E'^/\\*[^*]*\\*/\n:root \\{\n  --brand: #0f5250;\n', 'and makes a sheet')
  from portal.town t where t.slug = 'saint-aubin';

select * from finish();
rollback;
