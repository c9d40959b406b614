--
-- The list of authorisations is the town's: it adds some of its own, takes others
-- out of it for a time, and says in which order families are asked.
--

-- built again by sql/functions: its order was a column that goes

drop function if exists portal.child_documents(bigint, bigint, text[], date) cascade;

set role portal_owner;
set search_path = portal, pg_temp;


alter table town
    add column authorisations jsonb not null default '{}'
        check (jsonb_typeof(authorisations) = 'object'
               and not authorisations @? '$.keyvalue() ? (!(@.key like_regex "^(image_internal|image_press|image_web|leave_alone|transport|hospital|swimming|own_([1-9]|1[0-2]))$"))'
               and not authorisations @? '$.keyvalue().value ? (!(@.rank >= 1 && @.rank <= 99))'
               and not authorisations @? '$.keyvalue() ? (@.key starts with "own_" && !(@.value.fr like_regex "^.{1,80}$"))');

comment on column town.authorisations is
'What the town has made of the list that fields.tsv begins with, by code: {"rank": its place, "withdrawn": day since which it is not asked any more, "since": day from which it is asked (again)}, and of an own one (own_1 to own_12, which are in no list before they are here) {"fr", "en": its title}.';

grant update (authorisations) on town to portal_api;


-- an own one has no row of a child before it is answered

alter table authorisation
    drop constraint authorisation_pkey,
    drop constraint authorisation_code_check,
    drop column rank,
    add primary key (tenant, child_id, code),
    add constraint authorisation_code_check
        check (code in ('image_internal', 'image_press', 'image_web', 'leave_alone',
                        'transport', 'hospital', 'swimming')
               or code ~ '^own_([1-9]|1[0-2])$');

comment on table authorisation is
    'What the guardians allow. A child has a row for each code that every town begins with, and for one of the town''s own once it is answered.';

alter table authorisation_text
    drop constraint authorisation_text_code_check,
    add constraint authorisation_text_code_check
        check (code in ('image_internal', 'image_press', 'image_web', 'leave_alone',
                        'transport', 'hospital', 'swimming')
               or code ~ '^own_([1-9]|1[0-2])$');

reset role;
