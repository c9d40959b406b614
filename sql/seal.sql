--
-- Streams tool_in through portal-tool and joins what it says: the values that
-- need keys.  Shared by the demo and the generator, which make the tables
--
--     to_seal (n, town, kind, id, field, value) and get sealed_out (n, value)
--     to_mac (n, town, purpose, value)          and get mac_out (n, value)
--
-- What compares a sealed value is the MAC of purpose "value" over
-- kind/id/field/value; of a number at the CAF it is purpose "caf", the number.
--

\copy (select 'seal', town, kind, id, field, value from to_seal order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/sealed"'
create temp table sealed_out (n bigint generated always as identity, value text);
\copy sealed_out (value) from program 'cat "$PORTAL_WORK/sealed"; : > "$PORTAL_WORK/sealed"'

\copy (select 'mac', town, purpose, value from to_mac order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/macs"'
create temp table mac_out (n bigint generated always as identity, value text);
\copy mac_out (value) from program 'cat "$PORTAL_WORK/macs"; : > "$PORTAL_WORK/macs"'

do $$
begin
    if (select count(*) from sealed_out) <> (select count(*) from to_seal)
       or (select count(*) from mac_out) <> (select count(*) from to_mac)
    then
        raise exception 'portal-tool did not answer each line';
    end if;
end
$$;

analyze sealed_out;
analyze mac_out;
