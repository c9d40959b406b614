--
-- Who was invited anew before an invitation took password, authenticator and
-- recovery codes keeps none of them, either.
--

set search_path = portal, pg_temp;


update agent a
   set password_hash = null, totp = null
 where a.state = 'invited'
   and num_nonnulls(a.password_hash, a.totp) > 0;

delete from agent_recovery r
 using agent a
 where a.tenant = r.tenant
   and a.id = r.agent_id
   and a.state = 'invited';
