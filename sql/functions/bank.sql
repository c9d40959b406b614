--
-- The account that a guardian pays from, as a section of the file.  A SEPA
-- mandate is agreed to for one account: as a field it is the day of that.
--

set search_path = portal, pg_temp;


create or replace function bank_values(p_id bigint) returns jsonb
    language sql stable
begin atomic
    select jsonb_build_object('holder', b.holder, 'iban', b.iban, 'bic', b.bic,
               'mandate', b.mandate_date,
               '_mac', jsonb_build_object('iban', encode(b.iban_mac, 'hex')),
               '_hint', jsonb_build_object('iban', b.iban_last4))
      from guardian g
      left join bank b on b.tenant = g.tenant and b.guardian_id = g.id
     where g.id = p_id;
end;

comment on function bank_values(bigint) is
    'section_values() of guardian_bank; mandate is the day when it was agreed to.';


create or replace function bank_bic(input jsonb, p_now jsonb, p_open bigint, p_back boolean)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_opened  jsonb := coalesce((select i.asked from change_item i
                                  where i.set_id = p_open and i.field = 'bic'),
                                p_now->'bic');
begin
    return case
        when input->>'bic_kept' = 'yes' then '{}'::jsonb
        -- given anew, or the same again where there must be one
        when input ? 'bic'
             and (input->'bic' <> v_opened
                  or exists (select from field_policies('guardian_bank') p
                              where p.name = 'bic' and p.policy = 'required'))
        then '{}'::jsonb
        else jsonb_build_object('bic', case when p_back then p_now->'bic' end) end;
end
$$;

comment on function bank_bic(jsonb, jsonb, bigint, boolean) is
    'The BIC of a form that gives another IBAN than the page was opened with: none, unless it was given anew too or the form says that it stays (bic_kept: the same bank); that of the file where the IBAN is (p_back). Input and result: fields, as of bank_input().';


create or replace function bank_may_stop() returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return not exists (select
                         from field_policies('guardian_bank') p
                        where p.name in ('holder', 'iban', 'mandate')
                          and p.policy not in ('editable', 'required'));
end
$$;

comment on function bank_may_stop() is
    'Whether families may ask that there be no account any more: where the town lets them change it.';


create or replace function bank_policy(p_now jsonb, p_open bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when p_now->>'iban' is not null and bank_may_stop()
                then '{"stop": "editable"}' else '{}' end::jsonb || (
            select case when p.policy = 'editable'
                             and coalesce((select i.asked from change_item i
                                            where i.set_id = p_open and i.field = 'bic'),
                                          p_now->'bic') <> 'null'
                        then '{"bic_kept": "editable"}' else '{}' end::jsonb
              from field_policies('guardian_bank') p
             where p.name = 'bic');
end
$$;

comment on function bank_policy(jsonb, bigint) is
    'What the form of guardian_bank asks besides its fields: whether a BIC that it opens with stays with another IBAN (bic_kept), and whether the account that there is is to go (stop). Input: the section''s values now, the open request. Result: {field: policy}.';


create or replace function bank_stops(p_open bigint) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select from change_item i
                    where i.set_id = p_open and i.field = 'iban' and i.asked = 'null');
end
$$;

comment on function bank_stops(bigint) is
    'Whether a request asks that there be no account any more.';


create or replace function bank_input(input jsonb, p_now jsonb, p_open bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_answer  text := input->>'mandate';
    v_mac     text := p_now #>> '{_mac,iban}';
    v_opened  text := coalesce(
                  (select encode(i.asked_mac, 'hex') from change_item i
                    where i.set_id = p_open and i.field = 'iban'), v_mac);
    v_asked   text := coalesce(input #>> '{iban,mac}', v_opened);
begin
    if input->>'stop' = 'yes' and bank_may_stop() then
        return input || '{"holder": null, "iban": null, "bic": null, "mandate": null}';
    end if;

    return input || case
        when v_answer = 'no' then '{}'::jsonb
        -- that account's mandate is in the file
        when v_asked is not distinct from v_mac and p_now->>'mandate' is not null
            then jsonb_build_object('mandate', p_now->'mandate')
        when v_answer = 'yes' then jsonb_build_object('mandate', today())
        -- an agreement is not carried over to another account
        when input ? 'mandate' or input ? 'iban' then '{"mandate": null}'
        else '{}' end
        || case when v_asked is distinct from v_opened
                then bank_bic(input, p_now, p_open, v_asked is not distinct from v_mac)
                else '{}' end;
end
$$;

comment on function bank_input(jsonb, jsonb, bigint) is
    'section_input() of guardian_bank: yes to the mandate becomes today''s date; for an account whose mandate the file has the question is settled; an account that is to go (stop) is emptied. Another IBAN than the page''s takes no BIC of another account along, see bank_bic().';


create or replace function new_mandate() returns text
    language sql volatile
    return 'PF-' || to_char(today(), 'YYYYMMDD') || '-'
           || upper(left(replace(gen_random_uuid()::text, '-', ''), 12));

comment on function new_mandate() is
    'A reference for a SEPA mandate (RUM): at most 35 of the characters that banks take, nothing of the account in it.';


create or replace function former_mandate(p_id bigint, v jsonb) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_reference  text := v #>> '{_agreements,iban,reference}';
begin
    return case when v #>> '{_agreements,iban,date}' = v->>'mandate'
                 and not exists (select from bank o
                                  where o.mandate_reference = v_reference
                                    and o.guardian_id <> p_id)
                then v_reference end;
end
$$;

comment on function former_mandate(bigint, jsonb) is
    'Reference of the mandate that an account comes back with: of the same day, and nobody else''s meanwhile; null otherwise. Input: guardian, values as of bank_apply().';


create or replace function bank_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- a first account that is undone
    if v->>'iban' is null then
        delete from bank b where b.guardian_id = p_id;
        return;
    end if;

    insert into bank as b (tenant, guardian_id, family_id, holder, iban, iban_mac,
                           iban_last4, bic, mandate_reference, mandate_date)
    select g.tenant, g.id, g.family_id, v->>'holder', v->>'iban', value_mac(v, 'iban'),
           v #>> '{_hint,iban}', v->>'bic',
           case when v->>'mandate' is not null
                then coalesce(former_mandate(p_id, v), new_mandate()) end,
           (v->>'mandate')::date
      from guardian g
     where g.id = p_id
        on conflict (tenant, guardian_id) do update
       set holder = excluded.holder, iban = excluded.iban, iban_mac = excluded.iban_mac,
           iban_last4 = excluded.iban_last4, bic = excluded.bic,
           mandate_date = excluded.mandate_date,
           -- another account or another agreement is another mandate
           mandate_reference = case
               when (b.iban, b.mandate_date) is not distinct from
                    (excluded.iban, excluded.mandate_date)
               then b.mandate_reference else excluded.mandate_reference end;
end
$$;

comment on function bank_apply(bigint, jsonb) is
    'section_apply() of guardian_bank. The mandate''s reference is made here, but for an account that comes back with the one that it had.';


create or replace function creditor() returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select json_build_object('name', t.name, 'address', t.counter,
                       'id', t.creditor_id)
              from town t
             where t.id = here());
end
$$;

comment on function creditor() is
    'Who a SEPA mandate is given to: {"name", "address", "id": creditor identifier or null}.';


create or replace function left_address(p_account account, out email text,
    out email_mac bytea)
    language sql stable
begin atomic
    select k.email, k.email_mac
      from token k
     where k.account_id = (p_account).id
       and k.purpose = 'undo'
       and k.email_mac <> (p_account).email_mac
       and k.created_at > now() - interval '30 days'
     order by k.created_at
     limit 1;
end;

comment on function left_address(account) is
    'The address that an account had before the first change of the last 30 days, as the link that undoes it keeps it; nulls: it has not changed.';


create or replace function new_iban(p_items jsonb, p_open bigint) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (
        select from jsonb_array_elements(p_items) i
         where i->>'field' = 'iban'
           and i->>'asked' is not null
           and not exists (select from change_item o
                            where o.set_id = p_open and o.field = 'iban'
                              and encode(o.asked_mac, 'hex') = i->>'mac'));
end
$$;

comment on function new_iban(jsonb, bigint) is
    'Whether these items ask for an account that the open request did not ask for already.';


create or replace function iban_mail(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_account  account;
    v_left     record;
    v_data     jsonb := jsonb_build_object('number', p_set.number, 'at', now(),
                                           'path', '/famille/demandes/' || p_set.id);
begin
    select a.* into v_account from account a where a.id = p_set.account_id;

    -- filed at the counter for a guardian without one
    if not found then
        return;
    end if;

    perform post(gen_random_uuid(), v_account.email, v_account.email_mac, 'change_iban',
                 v_account.lang, v_data);

    -- who has taken an account over has changed its address first
    select l.* into v_left from left_address(v_account) l;

    if v_left.email is not null then
        perform post(gen_random_uuid(), v_left.email, v_left.email_mac, 'change_iban',
                     v_account.lang, v_data);
    end if;
end
$$;

comment on function iban_mail(change_set) is
    'Warns the owner of an account, and nobody else, that another IBAN was asked for; at the address that it had before a change of the last 30 days too.';


-- whole, for agents -----------------------------------------------------------

create or replace function opens_ibans() returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return coalesce(my_role() in ('validator', 'administrator'), false)
           and 'guardian_bank' = any (agent_groups());
end
$$;

comment on function opens_ibans() is
    'Whether this agent may open an account number whole, once stepped_up(): who deals with requests; who only reads sees its end.';


create or replace function iban_page(p_set change_set) returns text
    language sql stable
    return case when (p_set).section = 'guardian_bank' and (p_set).guardian_id is not null
                     and exists (select from change_item i
                                  where i.tenant = (p_set).tenant and i.set_id = (p_set).id
                                    and i.field = 'iban' and jsonb_typeof(i.asked) = 'string')
                     and opens_ibans()
                then '/demandes/' || (p_set).id || '/iban' end;

comment on function iban_page(change_set) is
    'Where an agent opens the account number that a request asks for; null: it asks for none, or this agent may not.';


create or replace function iban_document(p_guardian guardian, p_iban sealed, p_holder text,
    p_bic text, p_back text)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return json_build_object('status', 200,
        'guardian', json_build_object('id', (p_guardian).id,
            'first_name', (p_guardian).first_name, 'last_name', (p_guardian).last_name),
        'iban', sealed_value('guardian', (p_guardian).seal_id, 'iban', p_iban),
        'holder', p_holder, 'bic', p_bic, 'back', p_back);
end
$$;

comment on function iban_document(guardian, sealed, text, text, text) is
    'An account number whole. Input: whose, sealed, holder, BIC, the page that leads there. Result: {"status": 200, "guardian": {"id", "first_name", "last_name"}, "iban", "holder", "bic", "back"}.';


create or replace function agent_iban(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family    family := agent_family_row(input);
    v_guardian  guardian;
    v_bank      bank;
    v_refusal   json;
begin
    perform require_agent('validator', 'administrator');

    select g.* into v_guardian
      from guardian g
     where g.family_id = v_family.id and g.id = to_id(input->>'guardian');
    select b.* into v_bank from bank b where b.guardian_id = v_guardian.id;

    if v_bank.iban is null or not opens_ibans() then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_refusal := coalesce(own_sealed(v_family.id, 'read_iban', 'guardian', v_guardian.id),
                          step_up(),
                          agent_reads('read_iban', 'guardian', v_guardian.id));

    return coalesce(v_refusal, iban_document(v_guardian, v_bank.iban, v_bank.holder,
        v_bank.bic, '/familles/' || v_family.id || '#responsable-' || v_guardian.id));
end
$$;

comment on function agent_iban(jsonb) is
    'The account number of a guardian, whole, for who has asked to see it and has just given a code; the audit says so (read_iban). Input: family, guardian. Result: iban_document(); 404; 403 own_family, step_up_needed; 429 too_many_readings. For validators and administrators.';


create or replace function request_iban(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_set       change_set;
    v_guardian  guardian;
    v_asked     jsonb;
    v_refusal   json;
begin
    perform require_agent('validator', 'administrator');

    select c.* into v_set from change_set c where c.id = to_id(input->>'request');
    select g.* into v_guardian from guardian g where g.id = v_set.guardian_id;

    if iban_page(v_set) is null or v_guardian.id is null
       or not agent_sees(v_set.section, v_set.family_id, v_set.child_id)
    then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_refusal := may_read(own_request(v_set), false);

    if v_refusal is null then
        v_refusal := step_up();

        if v_refusal is not null then
            return v_refusal;
        end if;

        v_refusal := agent_limit('readings');
    end if;

    perform note('read_iban', read_outcome(v_refusal), 'change_set', v_set.id);

    if v_refusal is not null then
        return v_refusal;
    end if;

    select jsonb_object_agg(i.field, i.asked) into v_asked
      from change_item i
     where i.set_id = v_set.id;

    return iban_document(v_guardian, (v_asked->>'iban')::sealed, v_asked->>'holder',
                         v_asked->>'bic', '/demandes/' || v_set.id);
end
$$;

comment on function request_iban(jsonb) is
    'The account number that a request asks for, whole, before and after it is decided; the audit says who has seen it (read_iban). Input: request. Result: iban_document(), holder and BIC where they are asked for too; 404; 403 own_family, step_up_needed; 429 too_many_readings. For validators and administrators.';


grant execute on function agent_iban(jsonb), request_iban(jsonb) to portal_web;
