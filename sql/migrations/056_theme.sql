--
-- Administrators choose the town's colours and forms: the theme that is being
-- prepared and the one of before stand beside the one that is shown.
--

set role portal_owner;
set search_path = portal, pg_temp;


create function theme_contrasts(theme jsonb)
    returns table (field text, code text, front text, back text, needed double precision,
                   ratio double precision)
    language sql immutable parallel safe
begin atomic
    select p.field, p.code, p.front, p.back, p.needed::double precision,
           contrast(coalesce(theme->>p.front, p.front), coalesce(theme->>p.back, p.back))
      from (values
        -- text: white is the paper, #f6f5f1 the ground of every page, #1b2427
        -- and #475256 its inks, #111111 what stands on the accent
               ('brand', 'weak_white', 'brand', '#ffffff', 4.5),
               ('brand', 'weak_white', '#ffffff', 'brand', 4.5),
               ('brand', 'weak_ground', 'brand', '#f6f5f1', 4.5),
               ('brand_dark', 'weak_white', 'brand_dark', '#ffffff', 4.5),
               ('brand_dark', 'weak_white', '#ffffff', 'brand_dark', 4.5),
               ('brand_light', 'weak_dark', 'brand_dark', 'brand_light', 4.5),
               ('brand_light', 'weak_ink', '#1b2427', 'brand_light', 4.5),
               ('brand_light', 'weak_ink', '#475256', 'brand_light', 4.5),
               ('on_brand', 'weak_brand', 'on_brand', 'brand', 4.5),
               ('on_brand', 'weak_dark', 'on_brand', 'brand_dark', 4.5),
               ('accent', 'weak_black', '#111111', 'accent', 4.5),
        -- signs, borders and the ring of the focus
               ('brand_light', 'weak_brand', 'brand', 'brand_light', 3),
               ('accent', 'weak_brand', 'accent', 'brand', 3),
               ('accent', 'weak_dark', 'accent', 'brand_dark', 3))
           as p (field, code, front, back, needed);
end;

comment on function theme_contrasts(jsonb) is
    'Every pair of colours that the style sheet puts on each other, with the contrast (WCAG 2) that the theme gives it and what is needed: 4.5 for text, 3 for signs, borders and the focus. field, code: which colour is to be changed, and the message beside it. ratio null: one is no colour.';


create table town_theme (
    tenant  int not null references town,
    state   text not null check (state in ('draft', 'former')),
    theme   jsonb not null check (jsonb_typeof(theme) = 'object'),
    since   timestamptz not null default now(),
    primary key (tenant, state),
    constraint town_theme_readable check (theme_faults(theme) = '{}')
);

comment on table town_theme is 'The town''s themes beside the one that is shown (town.theme).';
comment on column town_theme.tenant is 'The town.';
comment on column town_theme.state is
    'draft: it is being prepared, and looked at by administrators alone; former: it was shown before.';
comment on column town_theme.theme is 'As town.theme.';
comment on column town_theme.since is 'When it was prepared, or was shown no more.';

alter table town_theme enable row level security;
alter table town_theme force row level security;
create policy tenant on town_theme to portal_owner, portal_api
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);

grant select, insert, update, delete on town_theme to portal_api;
grant update (theme, theme_css) on town to portal_api;

reset role;


-- whose owner is another one once a database has been migrated
create or replace function theme_faults(theme jsonb) returns text[]
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
               ('font_title', false, 'names of fonts', '^[A-Za-z0-9 ,"-]{1,200}$'))
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
            select c.front || ' on ' || c.back || ': ' || trunc(c.ratio::numeric, 2)
                   || ' where ' || c.needed || ' is needed'
              from theme_contrasts(theme) c
             where c.ratio < c.needed) f;
end;
