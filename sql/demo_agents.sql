--
-- The demo's agents, and what they answer; demo.sql reads it where there are
-- none, a demo that was loaded before there were agents included.
--

-- what agents answer without writing it anew
insert into refusal (tenant, code, rank, kind, texts)
select t.id, w.code, w.rank, w.kind, w.texts
  from town t
 cross join (values
    ('proof_needed', 1, 'incomplete', '{"fr": "Merci de joindre un justificatif à votre demande, ou de l’apporter au guichet.", "en": "Please join a document to your request, or bring it to the counter."}'::jsonb),
    ('unclear', 2, 'incomplete', '{"fr": "Nous ne sommes pas sûrs de bien lire votre demande. Pouvez-vous la préciser ?", "en": "We are not sure that we understand your request. Could you say more?"}'),
    ('not_ours', 3, 'refused', '{"fr": "Cette information est tenue par l’école : adressez-vous à elle.", "en": "This information is kept by the school: please ask there."}'),
    ('not_shown', 4, 'refused', '{"fr": "Le justificatif ne correspond pas à ce qui est demandé.", "en": "The document does not match what you ask for."}'))
    as w (code, rank, kind, texts)
    on conflict do nothing;

create temp table d_agent_mac (n bigint generated always as identity, mac text);
\copy (select 'mac', town, 'email', email from d_agent order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/out"'
\copy d_agent_mac (mac) from program 'cat "$PORTAL_WORK/out"'

create temp table d_agent_made (n bigint generated always as identity, hash text, totp text,
                                secret text, uri text);
\copy (select 'agent', town, seal_id, email, password from d_agent order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/out"'
\copy d_agent_made (hash, totp, secret, uri) from program 'cat "$PORTAL_WORK/out"; : > "$PORTAL_WORK/out"'

select save_agent(to_jsonb(d) || jsonb_build_object('email_mac', m.mac,
                      'password_hash', x.hash, 'totp', x.totp))
  from d_agent d
  join d_agent_mac m using (n)
  join d_agent_made x using (n)
 order by n;
