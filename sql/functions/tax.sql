--
-- A guardian's tax and benefits, as a section of the file.
--

set search_path = portal, pg_temp;


create or replace function tax_values(p_id bigint) returns jsonb
    language sql stable
begin atomic
    select jsonb_build_object('tax_number', t.tax_number,
               'notice_reference', t.notice_reference,
               'reference_income', t.reference_income,
               'shares', trim_scale(t.shares)::text, 'quotient', t.quotient,
               'quotient_date', t.quotient_date, 'scheme', t.scheme,
               'caf_number', t.caf_number,
               '_mac', jsonb_build_object(
                   'tax_number', encode(t.tax_number_mac, 'hex'),
                   'notice_reference', encode(t.notice_reference_mac, 'hex'),
                   'reference_income', encode(t.reference_income_mac, 'hex'),
                   'caf_number', encode(t.caf_mac, 'hex')))
      from guardian g
      left join tax t on t.tenant = g.tenant and t.guardian_id = g.id
     where g.id = p_id;
end;

comment on function tax_values(bigint) is
    'section_values() of guardian_tax.';


create or replace function tax_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into tax (tenant, guardian_id, family_id, tax_number, tax_number_mac,
                     notice_reference, notice_reference_mac, reference_income,
                     reference_income_mac, shares, quotient, quotient_date, scheme,
                     caf_number, caf_mac)
    select g.tenant, g.id, g.family_id, v->>'tax_number', value_mac(v, 'tax_number'),
           v->>'notice_reference', value_mac(v, 'notice_reference'),
           v->>'reference_income', value_mac(v, 'reference_income'),
           (v->>'shares')::numeric, (v->>'quotient')::int, (v->>'quotient_date')::date,
           v->>'scheme', v->>'caf_number', value_mac(v, 'caf_number')
      from guardian g
     where g.id = p_id
        on conflict (tenant, guardian_id) do update
       set tax_number = excluded.tax_number, tax_number_mac = excluded.tax_number_mac,
           notice_reference = excluded.notice_reference,
           notice_reference_mac = excluded.notice_reference_mac,
           reference_income = excluded.reference_income,
           reference_income_mac = excluded.reference_income_mac,
           shares = excluded.shares, quotient = excluded.quotient,
           quotient_date = excluded.quotient_date, scheme = excluded.scheme,
           caf_number = excluded.caf_number, caf_mac = excluded.caf_mac;
end
$$;

comment on function tax_apply(bigint, jsonb) is
    'section_apply() of guardian_tax.';
