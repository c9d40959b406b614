--
-- The tables.  Constraints first: what must never be is refused here, however
-- the functions change.  Keys are (tenant, id), so that no reference can cross
-- from one town to another.
--

set role portal_owner;
set search_path = portal, pg_temp;


create function fold(value text) returns text
    language sql immutable parallel safe
    return upper(regexp_replace(
        replace(replace(normalize(lower(value), nfd), 'œ', 'oe'), 'æ', 'ae'),
        '[^a-z0-9]+', '', 'g'));

comment on function fold(text) is
    'What names are compared by: no accent, no case, no space, no punctuation.';


create domain mac as bytea check (length(value) = 32);
comment on domain mac is 'An HMAC-SHA-256, made outside of the database.';

create domain sealed as text check (value ~ '^[A-Za-z0-9_-]{40,}$');
comment on domain sealed is
    'A sealed value: base64url of format, key id, nonce, ciphertext and tag.';

create domain answer as text default 'unanswered'
    check (value in ('yes', 'no', 'unanswered'));
comment on domain answer is 'yes, no or unanswered: never a silent no.';

create domain person_name as text
    check (length(value) between 1 and 100 and value = btrim(value)
           and value !~ '[[:cntrl:]]');
comment on domain person_name is 'A name as people write it.';

create domain phone as text check (value ~ '^\+[1-9][0-9]{6,14}$');
comment on domain phone is 'A telephone number, E.164.';

create domain email as text
    check (length(value) between 3 and 254
           and value ~ '^[^[:space:][:cntrl:],;<>"]+@[^[:space:][:cntrl:],;<>"@]+$');
comment on domain email is 'An address, as it was typed.';


-- the towns ---------------------------------------------------------------

create table setting (
    name   text primary key check (name ~ '^[a-z_]{1,40}$'),
    value  text not null
);

comment on table setting is 'What is true of the whole installation.';
comment on column setting.name is
    'key_check: which key file this database was filled with.';
comment on column setting.value is 'Its value, as text.';


create table town (
    id                   int primary key check (id > 0),
    slug                 text not null unique
                         check (slug ~ '^[a-z0-9](-?[a-z0-9])*$' and length(slug) <= 63),
    version              bigint not null default 1,
    name                 text not null check (length(name) between 1 and 100),
    service              text not null,
    family_service       text not null,
    origin               text not null
                         check (origin ~ '^https?://[a-z0-9.-]+(:[0-9]{1,5})?$'),
    host                 text not null unique check (host ~ '^[a-z0-9.-]+$'),
    theme                jsonb not null check (jsonb_typeof(theme) = 'object'),
    logo                 text not null check (logo ~ '^/static/'),
    theme_css            text not null check (theme_css ~ '^/static/'),
    phone                phone not null,
    email                email not null,
    office               text not null,
    hours                text not null,
    counter              text not null,
    mail_from            email not null,
    mail_name            text not null check (mail_name !~ '[[:cntrl:]]'),
    languages            text[] not null default '{fr}'
                         check (cardinality(languages) > 0),
    subscription_effect  text not null default 'relogin'
                         check (subscription_effect in ('relogin', 'immediate')),
    session_idle         int not null default 1800
                         check (session_idle between 60 and 86400),
    session_absolute     int not null default 43200
                         check (session_absolute between session_idle and 604800),
    password_words       text[] not null default '{}',
    shared_groups        text[] not null default '{}'
                         check (shared_groups <@ '{guardian_tax,guardian_bank}'),
    captcha_questions    jsonb not null
                         check (jsonb_typeof(captcha_questions) = 'array'
                                and jsonb_array_length(captcha_questions) >= 40),
    texts                jsonb not null default '{}'
                         check (jsonb_typeof(texts) = 'object')
);

comment on table town is
    'A town and all that is set for it; each worker of nginx holds a copy of the document made from it.';
comment on column town.id is 'What every other table names tenant.';
comment on column town.slug is 'Its name in addresses, keys and MACs; never changes.';
comment on column town.version is 'Goes up at each change; workers compare it.';
comment on column town.name is 'The town''s name.';
comment on column town.service is 'Name of the portal of citizens.';
comment on column town.family_service is 'Name of the family space.';
comment on column town.origin is 'Scheme, host and port that links in mails begin with.';
comment on column town.host is 'Host name of the portal.';
comment on column town.theme is 'Colours and radius of the pages.';
comment on column town.logo is 'Path of the logo.';
comment on column town.theme_css is 'Path of the style sheet that sets the theme.';
comment on column town.phone is 'Telephone of the office.';
comment on column town.email is 'Address of the office.';
comment on column town.office is 'The office that answers families.';
comment on column town.hours is 'Its hours, in words.';
comment on column town.counter is 'Where its counter is.';
comment on column town.mail_from is 'Address that mails come from.';
comment on column town.mail_name is 'Name that mails come from.';
comment on column town.languages is 'Languages offered, the first is the default.';
comment on column town.subscription_effect is
    'relogin: a subscription counts from the next log-in; immediate: at once.';
comment on column town.session_idle is 'Seconds without a request that end a session.';
comment on column town.session_absolute is 'Seconds after which a session ends in any case.';
comment on column town.password_words is 'Words that a password must not rest on.';
comment on column town.shared_groups is
    'Groups of fields that the guardians of one family see of each other besides the table of visibility.';
comment on column town.captcha_questions is 'Written questions: [{"q", "a": [..]}].';
comment on column town.texts is 'Texts of the town, by name.';


create table visibility (
    field_group  text not null check (field_group ~ '^(guardian|child)_[a-z]+$'),
    viewer       text not null
                 check (viewer in ('self', 'same_family', 'other_family', 'agent')),
    see          boolean not null,
    ask          boolean not null,
    primary key (field_group, viewer),
    check (see or not ask)
);

comment on table visibility is
    'Who sees which group of fields, who may ask to change it; filled from sql/visibility.tsv by sql/migrate.';
comment on column visibility.field_group is 'Group of fields.';
comment on column visibility.viewer is 'Who looks, as seen from the person looked at.';
comment on column visibility.see is 'May see it.';
comment on column visibility.ask is 'May ask to change it.';


-- the file of the families ------------------------------------------------

create table family (
    tenant       int not null references town,
    id           bigint generated by default as identity,
    number       text not null check (number ~ '^[0-9A-Z-]{1,20}$'),
    label        text not null check (length(label) between 1 and 200),
    version      bigint not null default 1,
    updated_at   timestamptz not null default now(),
    external_id  text check (length(external_id) between 1 and 64),
    primary key (tenant, id),
    unique (tenant, number),
    unique (tenant, external_id)
);

comment on table family is 'A household, as the town holds it.';
comment on column family.number is 'Number of the file, that people read.';
comment on column family.label is 'Names of the household.';
comment on column family.version is 'Goes up at each change of any part of the file.';
comment on column family.updated_at is 'When a part of the file last changed.';


create table guardian (
    tenant        int not null,
    id            bigint generated by default as identity,
    family_id     bigint not null,
    rank          smallint not null check (rank between 1 and 20),
    seal_id       uuid not null default gen_random_uuid(),
    title         text check (title in ('mrs', 'mr')),
    last_name     person_name not null,
    birth_name    person_name,
    first_name    person_name not null,
    birth_date    date check (birth_date between '1900-01-01' and '2100-01-01'),
    birth_place   text check (length(birth_place) between 1 and 100),
    link          text not null check (link in ('mother', 'father', 'guardian', 'other')),
    authority     boolean,
    payer         boolean not null default false,
    email         email,
    phone_mobile  phone,
    phone_home    phone,
    phone_work    phone,
    profession    text check (length(profession) between 1 and 100),
    employer      text check (length(employer) between 1 and 100),
    external_id   text check (length(external_id) between 1 and 64),
    search        text generated always as (fold(last_name || first_name)) stored,
    primary key (tenant, id),
    unique (tenant, family_id, id),
    unique (tenant, family_id, rank) deferrable,
    unique (tenant, seal_id),
    unique (tenant, external_id),
    foreign key (tenant, family_id) references family
);

create index guardian_search on guardian (tenant, search);

comment on table guardian is 'An adult of a family, responsible of its children.';
comment on column guardian.rank is 'Place in the family.';
comment on column guardian.title is 'mrs or mr.';
comment on column guardian.last_name is 'Name in use.';
comment on column guardian.birth_name is 'Name at birth, where another.';
comment on column guardian.first_name is 'First name or names.';
comment on column guardian.birth_date is 'Date of birth.';
comment on column guardian.birth_place is 'Place of birth.';
comment on column guardian.link is 'Link with the children.';
comment on column guardian.authority is 'Holds parental authority; null: the town does not know.';
comment on column guardian.payer is 'Receives the invoices.';
comment on column guardian.email is 'Address known to the town.';
comment on column guardian.phone_mobile is 'Mobile telephone.';
comment on column guardian.phone_home is 'Telephone at home.';
comment on column guardian.phone_work is 'Telephone at work.';
comment on column guardian.profession is 'Profession.';
comment on column guardian.employer is 'Employer.';


create table address (
    tenant       int not null,
    guardian_id  bigint not null,
    family_id    bigint not null,
    line1        text not null check (length(line1) between 1 and 100),
    line2        text check (length(line2) between 1 and 100),
    locality     text check (length(locality) between 1 and 100),
    postal_code  text not null check (length(postal_code) between 2 and 12),
    city         text not null check (length(city) between 1 and 100),
    country      text not null default 'FR' check (country ~ '^[A-Z]{2}$'),
    hosted_by    text check (length(hosted_by) between 1 and 100),
    city_code    text check (city_code ~ '^([0-9]{2}|2[AB])[0-9]{3}$'),
    primary key (tenant, guardian_id),
    foreign key (tenant, family_id, guardian_id)
        references guardian (tenant, family_id, id) on delete cascade,
    check (country <> 'FR' or postal_code ~ '^(0[1-9]|[1-8][0-9]|9[0-8])[0-9]{3}$')
);

comment on table address is 'Where a guardian lives.';
comment on column address.line1 is 'Number and street.';
comment on column address.line2 is 'Building, stairs, flat.';
comment on column address.locality is 'Hamlet or named place.';
comment on column address.postal_code is 'Postal code.';
comment on column address.city is 'Town.';
comment on column address.country is 'Country, ISO 3166 with two letters.';
comment on column address.hosted_by is 'Person who lodges the guardian.';
comment on column address.city_code is 'INSEE code of the town.';


create table tax (
    tenant            int not null,
    guardian_id       bigint not null,
    family_id         bigint not null,
    tax_number        sealed,
    notice_reference  sealed,
    reference_income  sealed,
    shares            numeric(4, 2) check (shares between 0.25 and 20 and shares % 0.25 = 0),
    quotient          int check (quotient between 0 and 99999),
    quotient_date     date,
    scheme            text check (scheme in ('caf', 'msa', 'other')),
    caf_number        sealed,
    caf_mac           mac,
    primary key (tenant, guardian_id),
    foreign key (tenant, family_id, guardian_id)
        references guardian (tenant, family_id, id) on delete cascade
);

comment on table tax is 'Tax and benefits of a guardian: the base of prices.';
comment on column tax.tax_number is 'Tax number, sealed.';
comment on column tax.notice_reference is 'Reference of the tax notice, sealed.';
comment on column tax.reference_income is 'Reference income in euros, sealed.';
comment on column tax.shares is 'Shares, by quarters.';
comment on column tax.quotient is 'Family quotient.';
comment on column tax.quotient_date is 'Date of the quotient.';
comment on column tax.scheme is 'Who pays the benefits.';
comment on column tax.caf_number is 'Number at the scheme, sealed.';
comment on column tax.caf_mac is 'MAC of that number, to find it.';


create table bank (
    tenant             int not null,
    guardian_id        bigint not null,
    family_id          bigint not null,
    holder             text not null check (length(holder) between 1 and 70),
    iban               sealed not null,
    iban_last4         text not null check (iban_last4 ~ '^[0-9A-Z]{4}$'),
    bic                text check (bic ~ '^[A-Z]{6}[0-9A-Z]{2}([0-9A-Z]{3})?$'),
    mandate_reference  text check (length(mandate_reference) between 1 and 35),
    mandate_date       date,
    primary key (tenant, guardian_id),
    unique (tenant, mandate_reference),
    foreign key (tenant, family_id, guardian_id)
        references guardian (tenant, family_id, id) on delete cascade,
    check ((mandate_reference is null) = (mandate_date is null))
);

comment on table bank is 'Account that a guardian pays from.';
comment on column bank.holder is 'Holder of the account.';
comment on column bank.iban is 'IBAN, sealed; no function gives it.';
comment on column bank.iban_last4 is 'Its last four characters, which pages show.';
comment on column bank.bic is 'BIC.';
comment on column bank.mandate_reference is 'Reference of the SEPA mandate.';
comment on column bank.mandate_date is 'Day it was signed.';


create table child (
    tenant       int not null references town,
    id           bigint generated by default as identity,
    seal_id      uuid not null default gen_random_uuid(),
    last_name    person_name not null,
    first_name   person_name not null,
    birth_date   date not null check (birth_date between '1990-01-01' and '2100-01-01'),
    birth_place  text check (length(birth_place) between 1 and 100),
    sex          text check (sex in ('f', 'm')),
    diet         text check (diet in ('standard', 'no_pork', 'no_meat', 'vegetarian', 'pai')),
    external_id  text check (length(external_id) between 1 and 64),
    search       text generated always as (fold(last_name || first_name)) stored,
    primary key (tenant, id),
    unique (tenant, seal_id),
    unique (tenant, external_id)
);

create index child_search on child (tenant, search, birth_date);

comment on table child is 'A child; it belongs to one family or to two.';
comment on column child.last_name is 'Name.';
comment on column child.first_name is 'First name or names.';
comment on column child.birth_date is 'Date of birth.';
comment on column child.birth_place is 'Place of birth.';
comment on column child.sex is 'f or m.';
comment on column child.diet is 'Meals; never a religion, never a diagnosis.';


create table child_family (
    tenant     int not null,
    family_id  bigint not null,
    rank       smallint not null check (rank between 1 and 30),
    child_id   bigint not null,
    primary key (tenant, family_id, rank) deferrable,
    unique (tenant, child_id, family_id),
    foreign key (tenant, family_id) references family,
    foreign key (tenant, child_id) references child on delete cascade
);

comment on table child_family is 'Which household a child lives in: one, or two.';
comment on column child_family.rank is 'Place in the family.';


create table schooling (
    tenant    int not null,
    child_id  bigint not null,
    name      text not null check (length(name) between 1 and 100),
    level     text check (level in ('tps', 'ps', 'ms', 'gs', 'cp', 'ce1', 'ce2',
                                    'cm1', 'cm2', 'ulis', 'other')),
    class     text check (length(class) between 1 and 60),
    year      text not null check (year ~ '^20[0-9]{2}-20[0-9]{2}$'),
    primary key (tenant, child_id, year),
    foreign key (tenant, child_id) references child on delete cascade
);

comment on table schooling is 'The child''s school, year by year.';
comment on column schooling.name is 'Name of the school.';
comment on column schooling.level is 'Level.';
comment on column schooling.class is 'Class.';
comment on column schooling.year is 'School year.';


create table insurance (
    tenant    int not null,
    child_id  bigint not null,
    insurer   text not null check (length(insurer) between 1 and 100),
    policy    text check (length(policy) between 1 and 60),
    until     date,
    primary key (tenant, child_id),
    foreign key (tenant, child_id) references child on delete cascade
);

comment on table insurance is 'Insurance of a child outside of school.';
comment on column insurance.insurer is 'Insurer.';
comment on column insurance.policy is 'Number of the contract.';
comment on column insurance.until is 'Last day.';


create table authorisation (
    tenant       int not null,
    child_id     bigint not null,
    code         text not null
                 check (code in ('image_internal', 'image_press', 'image_web',
                                 'leave_alone', 'transport', 'hospital', 'swimming')),
    rank         smallint generated always as (case code
                     when 'image_internal' then 1 when 'image_press' then 2
                     when 'image_web' then 3 when 'leave_alone' then 4
                     when 'transport' then 5 when 'hospital' then 6
                     when 'swimming' then 7 end) stored,
    answer       answer not null default 'unanswered',
    answered_on  date,
    primary key (tenant, child_id, rank),
    foreign key (tenant, child_id) references child on delete cascade,
    check ((answer = 'unanswered') = (answered_on is null))
);

comment on table authorisation is 'What the guardians allow; each child has a row for each code.';
comment on column authorisation.code is 'What is allowed or not.';
comment on column authorisation.rank is 'Order of the codes on the pages.';
comment on column authorisation.answer is 'The answer.';
comment on column authorisation.answered_on is 'Day of the answer.';


create table health (
    tenant          int not null,
    child_id        bigint not null,
    doctor_name     text check (length(doctor_name) between 1 and 100),
    doctor_phone    phone,
    vaccines        answer not null default 'unanswered',
    pai             answer not null default 'unanswered',
    pai_start       date,
    pai_end         date,
    allergies       sealed,
    allergy_action  sealed,
    treatment       sealed,
    notes           sealed,
    glasses         answer not null default 'unanswered',
    hearing_aid     answer not null default 'unanswered',
    swims           answer not null default 'unanswered',
    primary key (tenant, child_id),
    foreign key (tenant, child_id) references child on delete cascade,
    check (pai = 'yes' or (pai_start is null and pai_end is null)),
    check (pai_end >= pai_start)
);

comment on table health is 'What the staff must know to look after a child.';
comment on column health.doctor_name is 'The child''s doctor.';
comment on column health.doctor_phone is 'The doctor''s telephone.';
comment on column health.vaccines is 'Compulsory vaccines up to date.';
comment on column health.pai is 'Has an individual plan (PAI).';
comment on column health.pai_start is 'First day of the plan.';
comment on column health.pai_end is 'Last day of the plan.';
comment on column health.allergies is 'Allergies, sealed.';
comment on column health.allergy_action is 'What to do, sealed.';
comment on column health.treatment is 'Treatment, sealed.';
comment on column health.notes is 'What the guardians want known, sealed.';
comment on column health.glasses is 'Wears glasses.';
comment on column health.hearing_aid is 'Wears a hearing aid.';
comment on column health.swims is 'Can swim.';


create table contact (
    tenant        int not null,
    id            bigint generated by default as identity,
    family_id     bigint not null,
    child_id      bigint not null,
    rank          smallint not null check (rank between 1 and 30),
    last_name     person_name not null,
    first_name    person_name not null,
    link          text not null
                  check (link in ('grandparent', 'aunt_uncle', 'sibling', 'step_parent',
                                  'friend', 'neighbour', 'childminder', 'other')),
    phone_mobile  phone,
    phone_home    phone,
    collect       boolean not null default false,
    emergency     boolean not null default false,
    primary key (tenant, id),
    unique (tenant, family_id, child_id, rank) deferrable,
    foreign key (tenant, child_id, family_id)
        references child_family (tenant, child_id, family_id) on delete cascade,
    check (phone_mobile is not null or phone_home is not null)
);

comment on table contact is
    'Adults who may collect a child or be called: each household of the child has its own list.';
comment on column contact.rank is 'Order in which to call.';
comment on column contact.last_name is 'Name.';
comment on column contact.first_name is 'First name.';
comment on column contact.link is 'Link with the child.';
comment on column contact.phone_mobile is 'Mobile telephone.';
comment on column contact.phone_home is 'Telephone at home.';
comment on column contact.collect is 'May collect the child.';
comment on column contact.emergency is 'To be called in an emergency.';


-- people who log in -------------------------------------------------------

create table account (
    tenant          int not null references town,
    id              bigint generated by default as identity,
    first_name      person_name not null,
    last_name       person_name not null,
    email           email not null,
    email_mac       mac not null,
    password_hash   text not null
                    check (password_hash ~ '^\$argon2id\$' and length(password_hash) <= 256),
    epoch           int not null default 1,
    state           text not null default 'unconfirmed'
                    check (state in ('unconfirmed', 'active', 'closed')),
    lang            text not null default 'fr' check (lang ~ '^[a-z]{2}$'),
    browser_mac     mac,
    last_family_id  bigint,
    signed_up_at    timestamptz not null default now(),
    confirmed_at    timestamptz,
    primary key (tenant, id),
    unique (tenant, email_mac),
    foreign key (tenant, last_family_id) references family,
    check (state <> 'active' or confirmed_at is not null)
);

create index account_unconfirmed on account (signed_up_at) where state = 'unconfirmed';

comment on table account is 'A citizen account.';
comment on column account.first_name is 'First name.';
comment on column account.last_name is 'Name.';
comment on column account.email is 'Address as it was typed; mails go there.';
comment on column account.email_mac is 'MAC of the normalised address: who is unique.';
comment on column account.password_hash is 'Argon2id of the password.';
comment on column account.epoch is 'Goes up when all sessions and tokens must die.';
comment on column account.state is 'unconfirmed until the link of the mail is followed.';
comment on column account.lang is 'Language of the mails.';
comment on column account.browser_mac is
    'MAC of the cookie of the browser that signed up: only there the link is enough.';
comment on column account.last_family_id is 'Family that was chosen last.';
comment on column account.signed_up_at is 'Latest sign-up.';
comment on column account.confirmed_at is 'When the address was confirmed.';


create table session (
    tenant          int not null,
    hash            mac not null,
    account_id      bigint not null,
    epoch           int not null,
    agent           text not null default 'Autre' check (length(agent) <= 40),
    opened_at       timestamptz not null default now(),
    absolute_until  timestamptz not null,
    ended_at        timestamptz,
    primary key (tenant, hash),
    foreign key (tenant, account_id) references account on delete cascade
);

create index session_live on session (tenant, account_id) where ended_at is null;
create index session_old on session (absolute_until);

comment on table session is 'What decides that a session lives; its content is elsewhere.';
comment on column session.hash is 'MAC of the cookie.';
comment on column session.epoch is 'The account''s epoch when it was opened.';
comment on column session.agent is 'Family of the browser, for the person to know it by.';
comment on column session.opened_at is 'When it was opened or renewed.';
comment on column session.absolute_until is 'When it ends in any case; renewing does not move it.';
comment on column session.ended_at is 'When it was ended.';


create table code (
    tenant       int not null,
    id           bigint generated by default as identity,
    family_id    bigint not null,
    guardian_id  bigint not null,
    mac          mac not null,
    seal_id      uuid not null default gen_random_uuid(),
    copy         sealed,
    issued_at    timestamptz not null default now(),
    expires_at   timestamptz not null,
    revoked_at   timestamptz,
    used_at      timestamptz,
    used_by      bigint,
    primary key (tenant, id),
    unique (tenant, mac),
    unique (tenant, seal_id),
    foreign key (tenant, family_id, guardian_id)
        references guardian (tenant, family_id, id) on delete cascade,
    foreign key (tenant, used_by) references account on delete set null (used_by),
    check (expires_at > issued_at),
    check (used_by is null or used_at is not null),
    check (used_at is null or revoked_at is null)
);

create unique index code_free on code (tenant, guardian_id)
    where used_at is null and revoked_at is null;
create index code_used_by on code (tenant, used_by) where used_by is not null;

comment on table code is 'Codes abonné: one guardian each, once each.';
comment on column code.mac is 'MAC of the code: what it is found by.';
comment on column code.copy is 'The code sealed, until its letter is printed.';
comment on column code.issued_at is 'When it was made.';
comment on column code.expires_at is 'From then on it is refused.';
comment on column code.revoked_at is 'When the town took it back.';
comment on column code.used_at is 'When it was used.';
comment on column code.used_by is 'Account that used it.';


create table subscription (
    tenant        int not null,
    id            bigint generated by default as identity,
    account_id    bigint not null,
    family_id     bigint not null,
    guardian_id   bigint not null,
    code_id       bigint,
    since         timestamptz not null default now(),
    effective_at  timestamptz,
    ended_at      timestamptz,
    primary key (tenant, id),
    foreign key (tenant, account_id) references account on delete cascade,
    foreign key (tenant, family_id, guardian_id)
        references guardian (tenant, family_id, id) on delete cascade,
    foreign key (tenant, code_id) references code on delete set null (code_id),
    check (effective_at >= since),
    check (ended_at >= since)
);

create unique index subscription_family on subscription (tenant, account_id, family_id)
    where ended_at is null;
create unique index subscription_guardian on subscription (tenant, guardian_id)
    where ended_at is null;

comment on table subscription is 'An account connected with a guardian of a family.';
comment on column subscription.code_id is 'Code that made it.';
comment on column subscription.since is 'When it was added.';
comment on column subscription.effective_at is
    'Since when it gives rights; null: waits for the next log-in.';
comment on column subscription.ended_at is 'When it was ended.';


create table token (
    tenant      int not null,
    mac         mac not null,
    purpose     text not null check (purpose in ('confirm')),
    account_id  bigint not null,
    epoch       int not null,
    outbox_id   uuid,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    used_at     timestamptz,
    voided_at   timestamptz,
    primary key (tenant, mac),
    foreign key (tenant, account_id) references account on delete cascade,
    check (expires_at > created_at),
    check (used_at is null or voided_at is null)
);

create index token_live on token (tenant, account_id)
    where used_at is null and voided_at is null;
create index token_old on token (expires_at);

comment on table token is 'What the links of mails carry, by MAC only.';
comment on column token.mac is 'MAC of the token.';
comment on column token.purpose is 'The only thing that it is good for.';
comment on column token.epoch is 'The account''s epoch when it was made.';
comment on column token.outbox_id is 'Mail that carries it.';
comment on column token.expires_at is 'From then on it is refused.';
comment on column token.used_at is 'When it was consumed.';
comment on column token.voided_at is 'When something newer took its place.';


-- work to do, and traces --------------------------------------------------

create table outbox (
    tenant         int not null references town,
    id             uuid not null default gen_random_uuid(),
    recipient      email not null,
    recipient_mac  mac,
    template       text not null check (template ~ '^[a-z_]{1,40}$'),
    lang           text not null default 'fr' check (lang ~ '^[a-z]{2}$'),
    data           jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
    token_sealed   sealed,
    expires        timestamptz,
    message_id     text not null unique check (message_id ~ '^[^[:space:]<>@]+@[a-z0-9.-]+$'),
    state          text not null default 'queued'
                   check (state in ('queued', 'sending', 'sent', 'failed', 'expired')),
    attempts       int not null default 0,
    created_at     timestamptz not null default now(),
    next_try       timestamptz not null default now(),
    lease_until    timestamptz,
    done_at        timestamptz,
    detail         text check (length(detail) <= 200),
    primary key (tenant, id),
    check (token_sealed is null or state in ('queued', 'sending')),
    check ((state = 'sending') = (lease_until is not null)),
    check ((state in ('sent', 'failed', 'expired')) = (done_at is not null))
);

create index outbox_due on outbox (next_try) where state in ('queued', 'sending');
create index outbox_done on outbox (done_at) where done_at is not null;

comment on table outbox is 'Mails to send, written in the transaction that wants them sent.';
comment on column outbox.recipient is 'Address.';
comment on column outbox.recipient_mac is 'MAC of the address.';
comment on column outbox.template is 'Which mail.';
comment on column outbox.lang is 'Language of the mail.';
comment on column outbox.data is 'What the mail says besides the town''s own.';
comment on column outbox.token_sealed is 'Token of the link, sealed; erased once sent or given up.';
comment on column outbox.expires is 'The link is dead from then on: not sent after.';
comment on column outbox.message_id is 'Message-ID, the same at each attempt.';
comment on column outbox.state is 'queued, sending, sent, failed or expired.';
comment on column outbox.attempts is 'How many times it was taken.';
comment on column outbox.next_try is 'Not to be taken before.';
comment on column outbox.lease_until is 'Taken until then; later anyone may take it again.';
comment on column outbox.done_at is 'When it was sent or given up.';
comment on column outbox.detail is 'What the mail server said last.';


create table audit (
    tenant      int not null references town,
    id          bigint generated always as identity,
    at          timestamptz not null default now(),
    account_id  bigint,
    family_id   bigint,
    action      text not null check (action ~ '^[a-z_]{1,60}$'),
    outcome     text not null check (outcome ~ '^[a-z_0-9]{1,40}$'),
    object      text check (object ~ '^[a-z_]{1,40}$'),
    object_id   bigint,
    request     text check (length(request) <= 64),
    chain       bigint unique,
    hash        bytea check (length(hash) = 32),
    primary key (tenant, id),
    check ((chain is null) = (hash is null))
);

create index audit_unchained on audit (id) where chain is null;
create index audit_account on audit (tenant, account_id, id);

comment on table audit is 'Who did what: ids only, never a value. Rows are only added.';
comment on column audit.at is 'When.';
comment on column audit.account_id is 'Who; null: nobody known. No reference: it outlives the account.';
comment on column audit.family_id is 'Family of the session.';
comment on column audit.action is 'Function that was called.';
comment on column audit.outcome is 'ok, or why not.';
comment on column audit.object is 'Kind of thing it was done to.';
comment on column audit.object_id is 'Which one.';
comment on column audit.request is 'Id of the request, as in nginx''s log.';
comment on column audit.chain is 'Place in the chain, given by a job after the commit.';
comment on column audit.hash is 'SHA-256 of the row and of the hash before it.';


create table idempotency (
    tenant      int not null references town,
    scope       text not null check (scope ~ '^(account:[0-9]+|browser:[0-9a-f]{64})$'),
    key         text not null check (length(key) between 1 and 64),
    print       mac not null,
    status      int,
    location    text,
    notice      text check (notice ~ '^[a-z_]{1,32}$'),
    created_at  timestamptz not null default now(),
    primary key (tenant, scope, key)
);

create index idempotency_old on idempotency (created_at);

comment on table idempotency is 'Forms that were sent, so that sending one twice does it once.';
comment on column idempotency.scope is 'Account, or browser where there is none yet.';
comment on column idempotency.key is 'Key that the form carried.';
comment on column idempotency.print is 'Fingerprint of what was sent.';
comment on column idempotency.status is 'Status of the answer.';
comment on column idempotency.location is 'Where the answer led.';
comment on column idempotency.notice is 'What the page there says was done.';


create table attempt (
    tenant    int not null references town,
    kind      text not null check (kind ~ '^[a-z_]{1,30}$'),
    key       bytea not null,
    count     int not null,
    first_at  timestamptz not null,
    last_at   timestamptz not null,
    next_at   timestamptz not null,
    primary key (tenant, kind, key)
);

create index attempt_old on attempt (last_at);

comment on table attempt is 'Counters that slow guessing down, by what is guessed and by where from.';
comment on column attempt.kind is 'What is counted.';
comment on column attempt.key is 'MAC of an e-mail or of a network prefix, or an account''s id; empty: the town.';
comment on column attempt.count is 'Attempts counted in the window.';
comment on column attempt.first_at is 'Start of the window.';
comment on column attempt.last_at is 'Latest attempt that was counted.';
comment on column attempt.next_at is 'Attempts before then are refused, not counted; -infinity: none is.';


create table captcha_used (
    tenant   int not null references town,
    id       text not null check (length(id) between 1 and 128),
    expires  timestamptz not null,
    primary key (tenant, id)
);

create index captcha_old on captcha_used (expires);

comment on table captcha_used is 'Captchas that were solved: each once.';
comment on column captcha_used.id is 'Id of the challenge.';
comment on column captcha_used.expires is 'The challenge is refused later anyway.';


-- columns that mean the same wherever they are

do $$
declare
    v_column  record;
begin
    for v_column in
        select c.oid::regclass as name, a.attname,
               case a.attname
                   when 'tenant' then 'The town.'
                   when 'id' then 'Number within the installation; unique with the town.'
                   when 'family_id' then 'The family.'
                   when 'guardian_id' then 'The guardian.'
                   when 'child_id' then 'The child.'
                   when 'account_id' then 'The account.'
                   when 'seal_id' then 'What sealed values of this row are bound to.'
                   when 'external_id' then 'Its id in the town''s business software.'
                   when 'search' then 'What it is searched by, see fold().'
                   when 'created_at' then 'When it was made.'
               end as words
          from pg_class c
          join pg_attribute a on a.attrelid = c.oid
         where c.relnamespace = 'portal'::regnamespace
           and c.relkind = 'r'
           and a.attnum > 0
           and not a.attisdropped
           and col_description(c.oid, a.attnum) is null
    loop
        if v_column.words is not null then
            execute format('comment on column %s.%I is %L',
                v_column.name, v_column.attname, v_column.words);
        end if;
    end loop;
end
$$;
