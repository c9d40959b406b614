--
-- A day of verification is seen by whoever sees the section.  A request that is
-- not decided, or that was refused, is its asker's alone: it verifies nothing for
-- the others, who would read by a day that moves that something was asked.
--

drop function if exists portal.verification_rows(bigint, bigint);
drop function if exists portal.verified_by(portal.change_set, date);
drop function if exists portal.verified(text, bigint, bigint, bigint, bigint, date, bigint);

-- those that are accepted later verify then; the rows of all towns are looked
-- through, which no town's owner may

delete from portal.verification v
 using portal.change_set c
 where c.tenant = v.tenant
   and c.id = v.set_id
   and c.state not in ('accepted', 'partly');

set role portal_owner;

alter table portal.verification drop column set_id;

comment on table portal.verification is
    'The last day on which a guardian has verified a section of a person: said that nothing has changed, or asked for a change of it that was accepted. No value is here.';

reset role;
