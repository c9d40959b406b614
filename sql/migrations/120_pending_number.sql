--
-- What has to end before an account is closed says its number: two requests of
-- one minute read the same.
--

drop function if exists portal.pending_matters(bigint);
