--
-- Change requests: what a family asks for is written beside the file, never
-- into it.  A change set is one person's request about one section of one
-- person; its items are the fields.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table town
    add column validation_days int not null default 10
               check (validation_days between 1 and 365),
    add column keep_request    int not null default 730
               check (keep_request between 30 and 3650);

comment on column town.validation_days is
    'Days in which the town means to answer a request; families are told.';
comment on column town.keep_request is
    'Days that a request is kept once it is decided, replaced or withdrawn, with the values that it asked for.';


-- a sealed value cannot be compared; its MAC can

alter table tax
    add column tax_number_mac mac,
    add column notice_reference_mac mac,
    add column reference_income_mac mac;

alter table bank add column iban_mac mac;

alter table health
    add column allergies_mac mac,
    add column allergy_action_mac mac,
    add column treatment_mac mac,
    add column notes_mac mac;

do $$
declare
    v_column  text;
begin
    foreach v_column in array array['tax.tax_number', 'tax.notice_reference',
        'tax.reference_income', 'bank.iban', 'health.allergies', 'health.allergy_action',
        'health.treatment', 'health.notes']
    loop
        execute format('comment on column %s_mac is %L', v_column,
            'MAC of the value and its place, to compare it by; null where it was sealed before there was one.');
    end loop;
end
$$;


-- the sections and their fields -------------------------------------------

create table section (
    name         text primary key check (name ~ '^(guardian|child)_[a-z]{1,40}$'),
    field_group  text not null,
    path         text not null check (path ~ '^[a-z-]{1,40}$'),
    whole        boolean not null,
    checked      boolean not null
);

comment on table section is
    'Parts of the file that are asked for and decided as one; filled from sql/fields.tsv by sql/migrate.';
comment on column section.name is 'Its name; it begins with the kind of person.';
comment on column section.field_group is 'Group of the table of visibility that says who sees it and asks for it.';
comment on column section.path is 'Its name in addresses, after the person''s.';
comment on column section.whole is 'Accepted as a whole or not at all: half an address is none.';
comment on column section.checked is 'Shown again before it is sent: it has legal or financial effect.';


create table field (
    section     text not null references section on delete cascade,
    name        text not null check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    rank        smallint not null,
    policy      text not null check (policy in ('hidden', 'shown', 'editable', 'required')),
    validation  text not null check (validation in ('agent', 'automatic')),
    sealed      boolean not null,
    primary key (section, name)
);

comment on table field is
    'Fields of the sections, and what holds where a town has not said otherwise; filled from sql/fields.tsv by sql/migrate.';
comment on column field.section is 'Section.';
comment on column field.name is 'Its name, the same in forms, documents and templates.';
comment on column field.rank is 'Order on the pages.';
comment on column field.policy is 'hidden, shown, editable or required: the file cannot be without a required one.';
comment on column field.validation is 'agent: an agent decides; automatic: what is asked for counts at once.';
comment on column field.sealed is 'Its values are sealed by nginx and compared by MAC.';


create table field_policy (
    tenant      int not null references town,
    section     text not null,
    field       text not null,
    policy      text not null check (policy in ('hidden', 'shown', 'editable', 'required')),
    validation  text not null default 'agent'
                check (validation in ('agent', 'automatic')),
    primary key (tenant, section, field)
);

comment on table field_policy is
    'What a town has decided about a field. No reference to field, which each upgrade fills anew: a row of a field that is no more counts for nothing.';
comment on column field_policy.section is 'Section.';
comment on column field_policy.field is 'Field.';
comment on column field_policy.policy is
    'hidden, shown, editable or required; editable changes nothing for a field that the file cannot be without.';
comment on column field_policy.validation is 'agent or automatic.';


create table refusal (
    tenant  int not null references town,
    code    text not null check (code ~ '^[a-z_]{1,40}$'),
    rank    smallint not null,
    kind    text not null check (kind in ('refused', 'incomplete')),
    texts   jsonb not null check (jsonb_typeof(texts) = 'object' and texts ? 'fr'),
    primary key (tenant, code)
);

comment on table refusal is 'The town''s ready words for refusing a request or asking for more.';
comment on column refusal.code is 'What it is called by.';
comment on column refusal.rank is 'Order on the page.';
comment on column refusal.kind is 'refused or incomplete: which act it is for.';
comment on column refusal.texts is 'The words by language; fr is there.';


-- the requests ------------------------------------------------------------

create table change_set (
    tenant       int not null,
    id           bigint generated by default as identity,
    number       text not null check (number ~ '^20[0-9]{2}-[0-9]{7}$'),
    family_id    bigint not null,
    section      text not null,
    action       text not null check (action in ('change', 'add', 'remove')),
    guardian_id  bigint,
    child_id     bigint,
    contact_id   bigint,
    subject      text not null check (length(subject) between 1 and 250),
    account_id   bigint,
    asker_id     bigint,
    state        text not null default 'sent'
                 check (state in ('sent', 'taken', 'incomplete', 'accepted', 'partly',
                                  'refused', 'replaced', 'withdrawn')),
    version      int not null default 1,
    urgent       boolean not null default false,
    replaces     bigint,
    reverses     bigint,
    taken_by     bigint,
    comment      text check (length(comment) between 1 and 2000),
    reason_code  text check (reason_code ~ '^[a-z_]{1,40}$'),
    reason       text check (length(reason) between 1 and 2000),
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    due_on       date not null,
    decided_at   timestamptz,
    decided_by   bigint,
    primary key (tenant, id),
    unique (tenant, number),
    foreign key (tenant, family_id) references family on delete cascade,
    foreign key (tenant, family_id, guardian_id)
        references guardian (tenant, family_id, id) on delete set null (guardian_id),
    foreign key (tenant, child_id) references child on delete set null (child_id),
    foreign key (tenant, contact_id) references contact on delete set null (contact_id),
    foreign key (tenant, account_id) references account on delete set null (account_id),
    foreign key (tenant, family_id, asker_id)
        references guardian (tenant, family_id, id) on delete set null (asker_id),
    foreign key (tenant, taken_by) references agent,
    foreign key (tenant, decided_by) references agent,
    foreign key (tenant, replaces) references change_set on delete set null (replaces),
    foreign key (tenant, reverses) references change_set on delete set null (reverses),
    check (guardian_id is null or child_id is null),
    check ((state in ('accepted', 'partly', 'refused')) = (decided_at is not null)),
    check (state <> 'taken' or taken_by is not null),
    check (state not in ('refused', 'incomplete') or reason is not null
           or reason_code is not null)
);

-- one open request of a person about a thing: the next one replaces it. Those
-- whose guardian or contact has left the file are about nothing any more: they
-- stand side by side until an agent refuses them.
create unique index change_set_open
    on change_set (tenant, account_id, section, action, coalesce(guardian_id, 0),
                   coalesce(child_id, 0), coalesce(contact_id, 0))
 where state in ('sent', 'taken', 'incomplete') and action <> 'add'
       and account_id is not null and (guardian_id is not null or child_id is not null)
       and (section <> 'child_contact' or action not in ('change', 'remove')
            or contact_id is not null);
create index change_set_mine on change_set (tenant, account_id, id);
create index change_set_queue on change_set (tenant, urgent desc, created_at, id)
 where state in ('sent', 'taken');
create index change_set_over on change_set (tenant, updated_at)
 where state in ('accepted', 'partly', 'refused', 'replaced', 'withdrawn');
create index change_set_family on change_set (tenant, family_id, id);

comment on table change_set is
    'A request of a family: one section of one person, as a whole. Live rows change only when it is accepted.';
comment on column change_set.number is 'Number of the receipt, that people read; random, so that it says nothing of how many there are.';
comment on column change_set.section is 'Section asked about.';
comment on column change_set.action is 'change, add or remove.';
comment on column change_set.guardian_id is 'Guardian asked about.';
comment on column change_set.child_id is 'Child asked about.';
comment on column change_set.contact_id is 'Contact asked about.';
comment on column change_set.subject is 'Name of whom it is about, as it was.';
comment on column change_set.account_id is 'Who asked; null: the account is no more.';
comment on column change_set.asker_id is 'The guardian that the asker was.';
comment on column change_set.state is
    'sent, taken (an agent has it), incomplete (the town asks for more), accepted, partly, refused; replaced or withdrawn by who asked.';
comment on column change_set.version is 'Goes up at each step: a decision names the version that it was made over.';
comment on column change_set.urgent is 'Concerns the child''s safety: shown to the staff before it is decided.';
comment on column change_set.replaces is 'Request that this one took the place of.';
comment on column change_set.reverses is 'Request whose accepted change this one undoes.';
comment on column change_set.taken_by is 'Agent who has taken it.';
comment on column change_set.comment is 'What the family added in words.';
comment on column change_set.reason_code is 'The town''s ready words, see refusal.';
comment on column change_set.reason is 'The agent''s own words.';
comment on column change_set.updated_at is 'When its state last changed.';
comment on column change_set.due_on is 'Day until which the town means to answer.';
comment on column change_set.decided_at is 'When it was decided.';
comment on column change_set.decided_by is 'Agent who decided; null: by itself.';


create table change_item (
    tenant      int not null,
    set_id      bigint not null,
    field       text not null check (field ~ '^[a-z][a-z0-9_]{0,39}$'),
    old         jsonb not null,
    old_mac     mac,
    old_hint    text check (length(old_hint) <= 10),
    asked       jsonb not null,
    asked_mac   mac,
    asked_hint  text check (length(asked_hint) <= 10),
    state       text check (state in ('accepted', 'refused')),
    primary key (tenant, set_id, field),
    foreign key (tenant, set_id) references change_set on delete cascade,
    check (jsonb_typeof(old) in ('string', 'number', 'null')),
    check (jsonb_typeof(asked) in ('string', 'number', 'null'))
);

comment on table change_item is 'A field of a request.';
comment on column change_item.set_id is 'The request.';
comment on column change_item.field is 'The field.';
comment on column change_item.old is 'Its value when it was asked for; sealed where the file''s is.';
comment on column change_item.old_mac is 'MAC of that value, where it is sealed.';
comment on column change_item.old_hint is 'What may be shown of it, where it is never opened: the end of an IBAN.';
comment on column change_item.asked is 'The value asked for; null: that it be emptied.';
comment on column change_item.asked_mac is 'MAC of that value, where it is sealed.';
comment on column change_item.asked_hint is 'What may be shown of it.';
comment on column change_item.state is 'accepted or refused; null while it is not decided.';


create table change_event (
    tenant   int not null,
    set_id   bigint not null,
    version  int not null,
    at       timestamptz not null default now(),
    event    text not null
             check (event in ('sent', 'taken', 'released', 'incomplete', 'completed',
                              'accepted', 'partly', 'refused', 'replaced', 'withdrawn')),
    by_kind  text not null check (by_kind in ('family', 'agent', 'town')),
    by_id    bigint,
    primary key (tenant, set_id, version),
    foreign key (tenant, set_id) references change_set on delete cascade
);

comment on table change_event is 'History of a request; rows are only added.';
comment on column change_event.set_id is 'The request.';
comment on column change_event.version is 'Version that it got by this.';
comment on column change_event.at is 'When.';
comment on column change_event.event is 'What happened.';
comment on column change_event.by_kind is 'family, agent, or town: by itself.';
comment on column change_event.by_id is 'Account or agent.';


-- who may touch what ------------------------------------------------------

do $$
declare
    v_table  text;
begin
    foreach v_table in array array['field_policy', 'refusal', 'change_set', 'change_item',
                                   'change_event']
    loop
        execute format('alter table portal.%I enable row level security', v_table);
        execute format('alter table portal.%I force row level security', v_table);
        execute format('create policy tenant on portal.%I to portal_owner, portal_api '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
        execute format('comment on column portal.%I.tenant is %L', v_table, 'The town.');
    end loop;
end
$$;

comment on column change_set.id is 'Number within the installation; unique with the town.';
comment on column change_set.family_id is 'The family.';
comment on column change_set.created_at is 'When it was asked for.';

grant select on section, field, field_policy, refusal to portal_api;

grant select on change_set to portal_api;
grant insert (tenant, number, family_id, section, action, guardian_id, child_id,
              contact_id, subject, account_id, asker_id, urgent, replaces, reverses,
              comment, due_on),
      update (state, version, urgent, taken_by, comment, reason_code, reason, updated_at,
              decided_at, decided_by)
   on change_set to portal_api;

grant select, insert on change_item to portal_api;
grant update (state), delete on change_item to portal_api;

grant select on change_event to portal_api;
grant insert (tenant, set_id, version, event, by_kind, by_id) on change_event to portal_api;


-- jobs erase what is past its time

create policy batch on change_set to portal_batch using (true) with check (true);
grant select, delete on change_set to portal_batch;


-- an accepted request changes the file: one function does, change_apply(), and
-- its owner alone may.  What answers families and agents reads.

do $$
declare
    v_table  text;
begin
    for v_table in
        select c.oid::regclass
          from pg_class c
          join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
         where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
           and c.relname in ('family', 'guardian', 'address', 'tax', 'bank', 'child',
                             'child_family', 'schooling', 'insurance', 'authorisation',
                             'health', 'contact', 'subscription', 'field_policy',
                             'change_set', 'change_item')
    loop
        execute format('create policy apply on %s to portal_apply '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
    end loop;
end
$$;

grant usage on schema portal to portal_apply;
grant select on town, section, field, field_policy, change_set, change_item, family,
                guardian, address, tax, bank, child, child_family, schooling, insurance,
                authorisation, health, contact, subscription
   to portal_apply;
grant insert, update, delete on guardian, address, tax, bank, child_family, schooling,
                                insurance, contact
   to portal_apply;
grant insert, update on child, authorisation, health to portal_apply;
grant update (version, updated_at) on family to portal_apply;
grant update (ended_at) on subscription to portal_apply;
grant update (guardian_id, child_id, contact_id) on change_set to portal_apply;

-- requests keep the sealed value that was there

grant select (iban, iban_mac) on bank to portal_api;
