--
-- A town's theme: what its style sheet is made from.  Colours that people with
-- weak sight could not read are refused when they are installed.
--

set role portal_owner;
set search_path = portal, pg_temp;


create function luminance(colour text) returns double precision
    language sql immutable parallel safe
begin atomic
    select sum(p.weight * case when c.part <= 0.04045 then c.part / 12.92
                               else ((c.part + 0.055) / 1.055) ^ 2.4 end)
      from (values (2, 0.2126::double precision), (4, 0.7152), (6, 0.0722)) as p (place, weight)
     cross join lateral (
               select ('x' || substr(colour, p.place, 2))::bit(8)::int / 255.0::double precision
                      as part) c
     where colour ~ '^#[0-9a-f]{6}$';
end;

comment on function luminance(text) is
    'Relative luminance (WCAG 2) of a colour written #rrggbb; null when it is not.';


create function contrast(one text, other text) returns double precision
    language sql immutable parallel safe
    return (greatest(luminance(one), luminance(other)) + 0.05)
           / (case when luminance(one) is null or luminance(other) is null then null
                   else least(luminance(one), luminance(other)) end + 0.05);

comment on function contrast(text, text) is
    'Contrast (WCAG 2) of two colours, 1 to 21; null when one is none.';


create function theme_faults(theme jsonb) returns text[]
    language sql immutable parallel safe
begin atomic
    with known (name, needed, form, pattern) as (
        values ('brand', true, '#rrggbb', '^#[0-9a-f]{6}$'),
               ('brand_dark', true, '#rrggbb', '^#[0-9a-f]{6}$'),
               ('brand_light', true, '#rrggbb', '^#[0-9a-f]{6}$'),
               ('on_brand', true, '#rrggbb', '^#[0-9a-f]{6}$'),
               ('accent', true, '#rrggbb', '^#[0-9a-f]{6}$'),
               ('radius', true, '0 or a number of rem', '^(0|[0-9]{0,2}[.]?[0-9]{1,2}rem)$'),
               ('arch', false, '0 or a number of rem', '^(0|[0-9]{0,2}[.]?[0-9]{1,2}rem)$'),
               ('font_title', false, 'names of fonts', '^[A-Za-z0-9 ,"-]{1,200}$')),
    pair (front, back, least) as (
        -- text: white is the paper, #f6f5f1 the ground of every page, #1b2427
        -- and #475256 its inks, #111111 what stands on the accent
        values ('brand', '#ffffff', 4.5), ('brand', '#f6f5f1', 4.5),
               ('on_brand', 'brand', 4.5), ('on_brand', 'brand_dark', 4.5),
               ('#ffffff', 'brand', 4.5), ('#ffffff', 'brand_dark', 4.5),
               ('brand_dark', 'brand_light', 4.5), ('brand_dark', '#ffffff', 4.5),
               ('#1b2427', 'brand_light', 4.5), ('#475256', 'brand_light', 4.5),
               ('#111111', 'accent', 4.5),
        -- signs, borders and the ring of the focus
               ('brand', 'brand_light', 3), ('accent', 'brand', 3),
               ('accent', 'brand_dark', 3))
    select coalesce(array_agg(f.fault order by f.fault), '{}')
      from (select k.name || ': write ' || k.form as fault
              from known k
             where (k.needed or theme ? k.name)
               and coalesce(theme->>k.name, '') !~ k.pattern
             union all
            select t.name || ': not known'
              from jsonb_object_keys(theme) as t (name)
             where t.name not in (select k.name from known k)
             union all
            select p.front || ' on ' || p.back || ': ' || round(c.ratio::numeric, 2)
                   || ' where ' || p.least || ' is needed'
              from pair p
             cross join lateral (
                       select contrast(coalesce(theme->>p.front, p.front),
                                       coalesce(theme->>p.back, p.back)) as ratio) c
             where c.ratio < p.least) f;
end;

comment on function theme_faults(jsonb) is
    'What is wrong with a theme: names and forms, and contrasts below WCAG 2 AA (4.5 for text, 3 for signs, borders and the focus). Empty: nothing.';


create function theme_sheet(theme jsonb) returns text
    language sql immutable parallel safe
begin atomic
    select E'/* made by portal.theme_sheet() */\n:root {\n'
           || string_agg('  --' || replace(k.name, '_', '-') || ': ' || (theme->>k.name),
                         E';\n' order by k.place)
           || E';\n}\n'
      from unnest('{brand,brand_dark,brand_light,on_brand,accent,radius,arch,font_title}'::text[])
           with ordinality as k (name, place)
     where theme ? k.name;
end;

comment on function theme_sheet(jsonb) is
    'The style sheet of a theme, for the file that town.theme_css names.';


alter table town
    add constraint town_theme check (theme_faults(theme) = '{}');

comment on column town.theme is
    'Colours and forms of the pages; portal.theme_faults() says what may be wrong with one, portal.theme_sheet() makes the style sheet of it.';
