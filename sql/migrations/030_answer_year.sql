--
-- An answer to an authorisation that is given in summer is for the school year
-- that begins, which towns prepare from July on.
--

set role portal_owner;
set search_path = portal, pg_temp;


comment on column authorisation.school_year is
    'School year that the answer holds for, until its 31 August; one that is given from 1 July on is for the year that begins in September, and counts at once. Null: it came with none and holds until another is given.';

reset role;
