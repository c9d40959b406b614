--
-- Towns that are added, taken elsewhere and erased while the others go on.
--

set role portal_owner;
set search_path = portal, pg_temp;


-- the links of a chain that is of all towns stay when one of them goes
alter table audit_erased drop constraint audit_erased_tenant_fkey;

comment on column audit_erased.tenant is
    'The town; it may be no more, while its links hold the others'' rows.';


-- a town without files of its own has its sheet from the database
alter table town
    alter column theme_css drop not null,
    alter column logo set default '/static/favicon.svg';

comment on column town.theme_css is
    'Path of the style sheet that sets the theme, where it is a file; null: nginx makes it of theme.';

reset role;
