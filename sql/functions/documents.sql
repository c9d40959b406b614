--
-- The family file, kept ready to serve.
--
-- What is kept is what every reading would build again: the children, whom all
-- guardians see alike, and the guardians as each of those who are connected
-- sees them.  It counts as long as family and town have the versions that it
-- was made of.  Nothing of it changes with time alone.
--

set search_path = portal, pg_temp;


create or replace function made_document(p_family bigint) returns family_document
    language plpgsql stable set search_path = portal, pg_temp set timezone = 'UTC' as $$
declare
    v_self    text[] := seen_by('self');
    v_same    text[] := seen_by('same_family');
    v_hidden  jsonb := hidden_fields();
    v_result  family_document;
begin
    -- the versions before the parts; and this function being stable, all that
    -- it reads is of one moment
    select f.tenant, f.id, f.version, t.version,
           json_build_object('id', f.id, 'number', f.number, 'version', f.version,
               'updated', day_of(f.updated_at))
      into v_result.tenant, v_result.family_id, v_result.version, v_result.town_version,
           v_result.head
      from family f
      join town t on t.id = f.tenant
     where f.id = p_family;

    select coalesce(array_agg(u.account_id order by u.account_id), '{}'),
           coalesce(array_agg((select json_agg(without_hidden('guardian', g.document, v_hidden)
                                               order by g.rank)
                                 from guardian_documents(p_family, null, u.account_id,
                                                         v_self, v_same) g)
                              order by u.account_id), '{}')
      into v_result.viewers, v_result.guardians
      from subscription u
     where u.family_id = p_family
       and u.ended_at is null;

    select coalesce(json_agg(without_hidden('child', c.document, v_hidden)
                             order by c.rank),
                    '[]'::json)
      into v_result.children
      from child_documents(p_family, null, v_same, null) c;

    return v_result;
end
$$;

comment on function made_document(bigint) is
    'The document of a family, built; all null when there is no such family.';


create or replace function keep_document(p_document family_document) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if current_setting('transaction_read_only')::boolean then
        return;
    end if;

    -- Whoever changes a part holds this row until the change is there for all,
    -- and who holds it now sees what they had to say: what is kept is what the
    -- file holds.  Nobody waits for it: the next reading may keep it as well.
    perform 1
       from family f
      where f.id = p_document.family_id
        and f.version = p_document.version
        for no key update skip locked;

    if not found then
        return;
    end if;

    -- only a copy: no reading waits for the disk
    perform set_config('synchronous_commit', 'off', true);

    insert into family_document as d
    select p_document.*
        on conflict (tenant, family_id) do update
       set version = excluded.version, town_version = excluded.town_version,
           head = excluded.head, viewers = excluded.viewers,
           guardians = excluded.guardians, children = excluded.children
     where (d.town_version, d.version) < (excluded.town_version, excluded.version);
end
$$;

comment on function keep_document(family_document) is
    'Keeps a document unless a newer one is kept or the family has changed since.';


create or replace function check_documents() returns bigint
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_before  text := coalesce(current_setting('portal.tenant', true), '');
    v_town    int;
    v_count   bigint;
    v_result  bigint := 0;
begin
    for v_town in select t.id from town t order by t.id loop
        perform set_config('portal.tenant', v_town::text, true);

        select count(*) into v_count
          from family_document d
          join family f on f.tenant = d.tenant and f.id = d.family_id
                       and f.version = d.version
          join town t on t.id = d.tenant and t.version = d.town_version
         where d::text is distinct from made_document(d.family_id)::text;

        v_result := v_result + v_count;
    end loop;

    perform set_config('portal.tenant', v_before, true);

    return v_result;
end
$$;

comment on function check_documents() is
    'For operators and tests: how many of the documents that readings would be answered with, in all towns, are not what building them now gives. Anything but 0 is a mistake in the triggers.';
