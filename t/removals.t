#!/usr/bin/perl

# An accepted removal is undone by another request: who was taken out is in the
# file again, with what hung on them, as it was; or the agent reads why not.

use strict;
use warnings;
use utf8;

use IPC::Open2 qw(open2);

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal(jobs => 'purge=300ms');
my $FAMILY = '104201';                                         # Camille and Julien Martin
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my $camille = client();
sign_in($camille, $people{camille});
my $cj = as_json($camille);
my $desk = agent_client();
my $agent = as_json($desk);

sub row { return Encode::decode('UTF-8', scalar $portal->psql($_[0]) // '') }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }

my $family = row("select id from portal.family where number = '$FAMILY'");
my ($me, $julien) = map { $_->[0] } $portal->psql("select id from portal.guardian where family_id = $family order by rank");
my $leo = row("select c.id from portal.child c join portal.child_family m on m.child_id = c.id
    where m.family_id = $family order by m.rank limit 1");
my $contact = row("select id from portal.contact where family_id = $family and child_id = $leo order by rank limit 1");
my $account = row("select account_id from portal.subscription where guardian_id = $julien and ended_at is null");

# all that hangs on somebody, to the last column
sub held {
    my ($who, $id) = @_;

    my %of = (guardian => [[guardian => 'id'], [address => 'guardian_id'], [tax => 'guardian_id'], [bank => 'guardian_id']],
        contact => [[contact => 'id']], child => [[child_family => 'child_id'], [contact => 'child_id']]);
    my $rows = join "\n", map {
        my ($table, $key) = @$_;
        map { "$table $_->[0]" } $portal->psql("select to_jsonb(x) from portal.$table x where x.$key = $id
            and x.family_id = $family order by 1");
    } @{ $of{$who} };
    return $rows . row("select string_agg(concat_ws(' ', c.id, c.guardian_id, c.asker_id, c.contact_id), ',' order by c.id)
        from portal.change_set c where c.family_id = $family and c.reverses is null and c.action <> 'remove'")
        . row("select string_agg(concat_ws(' ', v.section, v.guardian_id, v.child_id, v.by_guardian, v.verified_on), ',' order by v.section,
            v.guardian_id, v.child_id, v.by_guardian) from portal.verification v
            where v.family_id = $family and $id in (v.guardian_id, v.by_guardian)");
}

sub decided {
    my ($id, $step, %more) = @_;
    my $pending = delete $more{pending};

    return json_post($agent, "/demandes/$id", { step => $step, version => $agent->get("/demandes/$id")->json->{version},
        %more }, page => '/session', pending => $pending);
}

# asked for by the family and accepted; its number
sub removal {
    my ($path) = @_;

    my $r = json_post($cj, "/famille/$path/retrait", { comment => 'Ce n’est plus d’actualité.' });
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $id, "$path: asked" or diag $r->content;
    is decided($id, 'accept')->status, 200, 'accepted';
    return $id;
}

sub undone {
    my ($id, %more) = @_;

    my $r = decided($id, 'reverse', reason => 'Retrait accepté par erreur.', %more);
    is $r->status, 200, 'undone' or diag $r->content;
    my ($undo) = ($r->json->{location} // '') =~ /(\d+)$/;
    return $undo;
}

sub not_undone {
    my ($id, $code, $words, $what) = @_;

    my $before = row('select count(*) from portal.change_set') . held(child => $leo) . held(guardian => $julien);
    my $r = decided($id, 'reverse', reason => 'Erreur.');
    is $r->status . codes($r), "409:$code", $what;
    my $page = $desk->get("/demandes/$id");
    $r = $desk->submit($page, { step => 'reverse', reason => 'Erreur.' }, form => "/demandes/$id");
    is $r->status, 409, 'on the page too';
    like $r->text, $words, 'which says why';
    is row('select count(*) from portal.change_set') . held(child => $leo) . held(guardian => $julien), $before, 'nothing is done';
}


### a contact

my $path = "enfants/$leo/contacts/$contact";
$portal->psql("update portal.contact set collect = true where id = $contact");
{
    my $before = held(contact => $contact);
    my $id = removal($path);
    is row("select count(*) from portal.contact where id = $contact"), 0, 'taken out';
    is codes(decided($id, 'reverse')), 'reason:reason_undo', 'undoing wants a reason';
    my $page = $desk->get("/demandes/$id");
    like $page->content, qr/value="reverse"/, 'the page offers to undo it';
    my $again = $desk->submit($page, { step => 'reverse' }, form => "/demandes/$id");
    like $again->text, qr/Écrivez pourquoi vous annulez cette modification/, 'and says that it wants one';
    unlike $again->text, qr/toute prête/, 'which no list has ready';
    my $r = $desk->submit($page, { step => 'reverse', reason => 'Retrait accepté par erreur.' }, form => "/demandes/$id");
    is $r->status, 303, 'undone' or diag $r->text;
    my ($undo) = $r->location =~ /(\d+)/;
    is held(contact => $contact), $before, 'the contact is as it was, under its number';
    is row("select concat_ws(' ', action, state, reverses, contact_id) from portal.change_set where id = $undo"),
        "add accepted $id $contact", 'by a request';
    is row("select string_agg(event || by_kind, ' ' order by version) from portal.change_event where set_id = $id"),
        'sentfamily acceptedagent', 'the removal\'s own history stays';
    is row("select action || ' ' || outcome from portal.audit where object_id = $undo and action = 'reverse_request'"),
        'reverse_request ok', 'in the audit';
    my $name = row("select first_name || ' ' || last_name from portal.contact where id = $contact");
    like $camille->get("/famille/enfants/$leo")->text, qr/\Q$name\E/, 'the family has it on its page';
    like $camille->get("/famille/demandes/$id")->text, qr/annulé cette modification/, 'and reads it by the removal';
    like $camille->get("/famille/demandes/$undo")->text, qr/Retrait accepté par erreur\./, 'with the reason';
    like letter('camille.martin@exemple.fr', 'change_reversed')->{text}, qr{/famille/demandes/$undo\b}, 'and by mail';
    my $mail = letter('julien.martin@exemple.fr', 'contact_asked');
    like $mail->{subject}, qr/^Une personne peut de nouveau venir chercher Léo –/, 'who may collect the child again is told to the other guardian';
    like $mail->{text}, qr/Pour Léo, la mairie a annulé une modification du dossier\. .*\Q$name\E/, 'by name, as done by the town';
    unlike $mail->{text}, qr/responsable (?:a )?demand|ne compte qu/, 'and not as what somebody asks for';
    unlike $desk->get("/demandes/$id")->content, qr/value="reverse"/, 'once';
    is codes(decided($id, 'reverse', reason => 'Encore.')), ':request_reversed', 'and not twice';

    my $told = row("select count(*) from portal.change where set_id in ($id, $undo)");
    is $told, 2, 'the town\'s software is told of both';
    my $key = $portal->machine(rights => 'feed');
    my ($change) = grep { $_->{action} eq 'add' && $_->{section} eq 'child_contact' } @{ client(json => 1, agents => 1)
        ->get('/api/changements?limite=500', headers => { Authorization => "Bearer $key" })->json->{changes} };
    is $change->{reverses}, row("select number from portal.change_set where id = $id"), 'and which one it undoes';
    is $change->{person}{id}, $contact, 'with whom it is about';
    is row("select count(*) from portal.removed where set_id = $id"), 0, 'nothing of it is kept beside the file';

    # undone again, and that as well
    my $out = undone($undo);
    is row("select count(*) from portal.contact where id = $contact"), 0, 'undoing that takes it out';
    undone($out);
    is held(contact => $contact), $before, 'and undoing that brings it back';
}


### a change that was undone: who may collect the child again

{
    my $told = "select count(*) from portal.outbox where template = 'contact_asked' and recipient = 'julien.martin\@exemple.fr'";
    my $mails = row($told);
    my $may = sub {
        my $r = json_post($cj, "/famille/$path/modifier", { collect => $_[0], step => 'send' });
        my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
        ok $id, "asked: $_[0]" or diag $r->content;
        is decided($id, 'accept')->status, 200, 'accepted';
        return $id;
    };
    my $undo = undone($may->('no'));
    is row("select collect from portal.contact where id = $contact"), 't', 'may collect again';
    is row($told) - $mails, 1, 'the other guardian is told';
    is row("select data->>'back' from portal.outbox where template = 'contact_asked' order by created_at desc limit 1"), 'true',
        'as done by the town';
    undone($undo);
    is row("select collect from portal.contact where id = $contact"), 'f', 'may collect no more';
    is row($told) - $mails, 1, 'nobody is told of that';
    $portal->psql("update portal.contact set collect = true where id = $contact");
}


### a child

{
    my $before = held(child => $leo);
    my $r = json_post($cj, "/famille/$path/modifier", { phone_home => '03 21 00 00 00', step => 'send' });
    my ($asked) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $asked, 'a request about one of its contacts' or diag $r->content;
    my $id = removal("enfants/$leo");
    is row("select count(*) from portal.contact where child_id = $leo and family_id = $family"), 0, 'gone with its contacts';
    is row("select contact_id is null from portal.change_set where id = $asked"), 't', 'what was asked of one is about nobody';
    my $told = "select count(*) from portal.outbox where template = 'contact_asked' and recipient = 'julien.martin\@exemple.fr'";
    my $mails = row($told);
    my $undo = undone($id);
    is row($told) - $mails, row("select count(*) from portal.contact where child_id = $leo and family_id = $family and collect"),
        'the other guardian reads who may collect the child again';
    cmp_ok row($told), '>', $mails, 'there is somebody';
    is row("select contact_id from portal.change_set where id = $asked"), $contact, 'and of them again';
    $portal->psql("delete from portal.change_set where id = $asked");
    is held(child => $leo), $before, 'child and contacts are there as they were';
    is $cj->get("/famille/enfants/$leo")->status, 200, 'the family has it';
    is row("select count(*) from portal.import_removed where set_id = $id"), 0, 'imports may write there';
    my @fields = map { $_->{field} } @{ $agent->get("/demandes/$undo")->json->{items} };
    like "@fields", qr/last_name.*birth_date/, 'the request shows who it is';
}


# meanwhile nothing of the child's can be decided or undone, and no page offers it
{
    my $ask = sub {
        my ($what, $fields) = @_;
        my $r = json_post($cj, "/famille/enfants/$leo/$what", $fields);
        my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
        ok $id, "asked: $what" or diag $r->content;
        return $id;
    };
    my %offers = map { $_ => qr/name="step" value="$_"/ } qw(accept refuse reverse);
    my $done = $ask->('generales', { insurer => 'Assurance du Canton' });
    is decided($done, 'accept')->status, 200, 'accepted';
    like $desk->get("/demandes/$done")->content, $offers{reverse}, 'which can be undone';
    my @open = ($ask->('generales', { insurer => 'Autre' }), $ask->('contacts/nouveau',
        { last_name => 'Petit', first_name => 'Odile', link => 'friend', phone_mobile => '0612345678', collect => 'no', emergency => 'no' }));
    my $id = removal("enfants/$leo");

    is $agent->get("/demandes/$done")->json->{may_reverse}, JSON::PP::false(), 'undoing a change of who has gone is not offered';
    unlike $desk->get("/demandes/$done")->content, $offers{reverse}, 'nor by the page';
    my $r = decided($done, 'reverse', reason => 'Erreur.');
    is $r->status . codes($r), '409:subject_gone', 'nor done';
    for my $open (@open) {
        is $agent->get("/demandes/$open")->json->{request}{subject_gone}, JSON::PP::true(), 'an open request says that who it is about has gone';
        my $page = $desk->get("/demandes/$open");
        like $page->text, qr/n’est plus dans le dossier : cette demande peut seulement être refusée/, 'so does the page';
        unlike $page->content, $offers{accept}, 'which does not offer to accept it';
        like $page->content, $offers{refuse}, 'but to refuse it';
        $r = decided($open, 'accept');
        is $r->status . codes($r), '409:subject_gone', 'nor is it accepted';
    }

    undone($id);
    is $agent->get("/demandes/$done")->json->{may_reverse}, JSON::PP::true(), 'once the child is there again it can be undone';
    is decided($open[0], 'refuse', reason => 'Non.')->status, 200, 'and what waits decided';
    is decided($open[1], 'accept')->status, 200, 'accepted, too';
    $portal->psql("delete from portal.contact where child_id = $leo and first_name = 'Odile'");
}


### a guardian, and what is sealed

my $his = client();
{
    sign_in($his, $people{julien});
    my $hj = as_json($his);
    json_post($hj, "/famille/responsables/$julien/base", { profession => 'Soudeur' });
    # his answers, one of which is given anew meanwhile, and a file taken in for him
    $portal->psql("update portal.authorisation set answer = 'yes', answered_on = '2026-09-01', guardian_id = $julien
        where child_id = $leo and code in ('swimming', 'hospital')");
    my $file = row('select gen_random_uuid()');
    $portal->psql("insert into portal.upload (tenant, id, family_id, asker_id, section, field, kind, size, pieces)
        values (1, '$file', $family, $julien, 'child_health', 'document', 'pdf', 1, 1)");
    my $tax = $hj->get("/famille/responsables/$julien/fiscales")->json->{current};
    my $before = held(guardian => $julien);
    my $id = removal("responsables/$julien");
    isnt $his->get('/famille')->status, 200, 'his access has ended';
    my $theirs = "select string_agg(code || ':' || coalesce(guardian_id, 0), ' ' order by code) from portal.authorisation
        where child_id = $leo and code in ('swimming', 'hospital')";
    is row($theirs), 'hospital:0 swimming:0', 'his answers are nobody\'s';
    $portal->psql("update portal.authorisation set answered_on = '2026-09-02' where child_id = $leo and code = 'hospital'");
    my $ended = row("select to_jsonb(u) from portal.subscription u where account_id = $account");
    undone($id);
    is held(guardian => $julien), $before, 'he is back, address, tax and bank too';
    is row($theirs), "hospital:0 swimming:$julien", 'his answer is his again, one that was given since is not';
    is row("select asker_id from portal.upload where id = '$file'"), $julien, 'and what was taken in for him';
    $portal->psql("delete from portal.upload where id = '$file'");
    is row("select string_agg(to_jsonb(u)::text, ' ' order by id) from portal.subscription u
        where account_id = $account and ended_at is not null"), $ended, 'the subscription that ended stays as it ended';
    is row("select count(*) from portal.subscription where account_id = $account and guardian_id = $julien and ended_at is null"), 1,
        'he has another one';
    my $mail = letter('julien.martin@exemple.fr', 'guardian_restored');
    like $mail->{text}, qr/vous êtes de nouveau responsable dans le dossier/, 'he is told';
    unlike $mail->{text}, qr/Camille|par erreur/, 'not by whom or why';
    $his = client();
    sign_in($his, $people{julien});
    $hj = as_json($his);
    is $his->get('/famille')->status, 200, 'and has his family again';
    is_deeply $hj->get("/famille/responsables/$julien/fiscales")->json->{current}, $tax, 'where what is sealed opens';
}


### where the world has moved on

{
    my $place = row("select rank from portal.guardian where id = $julien");
    my $id = removal("responsables/$julien");
    $portal->psql("insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link)
        select 1, $family, n, 'Autre' || n, 'Personne', 'other' from unnest(array[$place, 20]) n");
    undone($id);
    is row("select rank from portal.guardian where id = $julien"), $place + 1, 'a place that is free, where the last one is taken';
    $portal->psql("delete from portal.guardian where family_id = $family and last_name like 'Autre%';
        update portal.guardian set rank = $place where id = $julien");
}
{
    my $bank = row("select to_jsonb(b) from portal.bank b where guardian_id = $julien");
    $portal->psql("delete from portal.bank where guardian_id = $julien;
        insert into portal.bank (tenant, guardian_id, family_id, holder, iban, iban_mac, iban_last4, bic, mandate_reference, mandate_date)
        select tenant, $julien, family_id, holder, iban, iban_mac, iban_last4, bic, 'RUM-J', '2025-01-02'
          from portal.bank where guardian_id = $me");
    my $id = removal("responsables/$julien");
    $portal->psql("update portal.bank set mandate_reference = 'RUM-J', mandate_date = '2025-01-02' where guardian_id = $me");
    undone($id);
    like row("select mandate_reference from portal.bank where guardian_id = $julien"), qr/^PF-/,
        'another reference, where the mandate is somebody else\'s now';
    $portal->psql("delete from portal.bank where guardian_id = $julien;
        insert into portal.bank select (jsonb_populate_record(null::portal.bank, b)).* from jsonb('$bank') b") if $bank;
}
{
    my $id = removal($path);
    $portal->psql("insert into portal.contact (tenant, family_id, child_id, rank, last_name, first_name, link, phone_mobile)
        select x.tenant, x.family_id, x.child_id, 29, upper(x.last_name), x.first_name, 'friend', '+33612345678'
          from portal.removed d, jsonb_to_record(d.rows->'contacts'->0) x (tenant int, family_id bigint, child_id bigint, last_name text, first_name text)
         where d.set_id = $id");
    not_undone($id, 'removed_back', qr/déjà revenue dans le dossier/, 'a contact who was added anew');
    $portal->psql("delete from portal.contact where rank = 29");

    my $gone = removal("enfants/$leo");
    not_undone($id, 'subject_gone', qr/n’est plus dans le dossier/, 'a contact of a child who has gone');
    $portal->psql("insert into portal.child_family (tenant, family_id, rank, child_id) values (1, $family, 20, $leo)");
    not_undone($gone, 'removed_back', qr/déjà revenue dans le dossier/, 'a child who is there again');
    $portal->psql("delete from portal.child_family where child_id = $leo and family_id = $family");
    $portal->psql("with c as (insert into portal.child (tenant, last_name, first_name, birth_date)
            select tenant, last_name, first_name, birth_date from portal.child where id = $leo returning id)
        insert into portal.child_family (tenant, family_id, rank, child_id) select 1, $family, 20, id from c");
    not_undone($gone, 'removed_back', qr/déjà revenue dans le dossier/, 'or another row of the same child');
    $portal->psql("delete from portal.child_family where family_id = $family and rank = 20");
    undone($gone);
    undone($id);
}
{
    my $id = removal("responsables/$julien");
    $portal->psql("insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link)
        values (1, $family, 15, 'Autre', 'Personne', 'other')");
    $portal->psql("insert into portal.subscription (tenant, account_id, family_id, guardian_id)
        select 1, $account, $family, id from portal.guardian where family_id = $family and rank = 15");
    not_undone($id, 'account_elsewhere', qr/relié à un autre responsable/, 'an account that is another guardian\'s now');
    $portal->psql("delete from portal.subscription where account_id = $account and ended_at is null;
        delete from portal.guardian where family_id = $family and rank = 15");

    # his number is somebody else's now, in this family or another
    my $number = row("select rows->'guardian'->>'external_id' from portal.removed where set_id = $id");
    my $former = row("select subject from portal.change_set where id = $id");
    for my $of ([$family, 'number_elsewhere', "numéro $number à Personne Autre.: $former ne peut pas revenir.*retirez-la d’abord"],
                [row("select id from portal.family where number = '104202'"), 'number_other_family', "numéro $number à une personne d’une autre famille.: $former ne peut"]) {
        $portal->psql("insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link, external_id)
            values (1, $of->[0], 15, 'Autre', 'Personne', 'other', '$number')");
        not_undone($id, $of->[1], qr/$of->[2]/, 'a number that somebody else has now');
        is row("select count(*) from portal.removed where set_id = $id"), 1, 'what was removed is kept';
        $portal->psql("delete from portal.guardian where external_id = '$number'");
    }

    # two agents at once: one of them brings him back
    my $version = $agent->get("/demandes/$id")->json->{version};
    my $second = as_json(agent_client(as => new_agent(name => 'Odile Seconde')));
    my @r = map { json_post($_, "/demandes/$id", { step => 'reverse', version => $version, reason => 'Erreur.' }, page => '/session') }
        $agent, $second;
    is join(' ', map { $_->status } @r), '200 409', 'two agents: one of them';
    is row("select count(*) from portal.guardian where family_id = $family and id = $julien"), 1, 'he is there once';

    # an account that was closed meanwhile connects nobody
    $id = removal("responsables/$julien");
    $portal->psql("update portal.account set state = 'closed' where id = $account");
    undone($id);
    is row("select count(*) from portal.subscription where guardian_id = $julien and ended_at is null"), 0,
        'without an account he is there, not connected';
}


### as long as it is kept

my $late;
{
    my $id = removal($path);
    $portal->psql("update portal.removed set removed_at = now() - interval '29 days'");
    $late = removal("enfants/$leo");
    $portal->psql("update portal.removed set removed_at = now() - interval '31 days' where set_id = $id");
    ok wait_for(patient(30), sub { !row("select count(*) from portal.removed where set_id = $id") }), 'the job erases what is past its time';
    is row("select count(*) from portal.removed where set_id = $late"), 1, 'and no more';
    unlike $desk->get("/demandes/$id")->content, qr/value="reverse"/, 'then nothing is offered';
    is codes(decided($id, 'reverse', reason => 'Erreur.')), ':removal_over', 'and the answer says why';
    my $admin = agent_client(role => 'administrator', as => new_agent(role => 'administrator', name => 'Alma Chef'));
    like $admin->get('/durees')->text, qr/De quoi annuler le retrait d’une personne/, 'the town\'s periods name it';
}


### a child who is then in no household is erased; nobody brings it back meanwhile

# another session: says what comes of a statement, and keeps what it holds
sub session {
    my $pid = open2(my $out, my $in, 'psql', '-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', $portal->pg->psql_args);
    $in->autoflush(1);
    return {
        say => sub { print $in "$_[0];\nselect 'said';\n"; my @said; while (defined(my $l = <$out>)) { last if $l eq "said\n"; chomp $l; push @said, $l } return $said[-1] },
        end => sub { print $in "$_[0];\n"; close $in; waitpid $pid, 0 },
    };
}

{
    my $file = row('select gen_random_uuid()');
    $portal->psql("delete from portal.child_photo where child_id = $leo;
        insert into portal.upload (tenant, id, family_id, child_id, section, field, kind, size, pieces, stored)
        values (1, '$file', $family, $leo, 'child_photo', 'photo', 'jpeg', 1, 1, 1);
        insert into portal.child_photo (tenant, child_id, upload_id) values (1, $leo, '$file')");
    is row("select count(*) from portal.health where child_id = $leo") . row("select left_at is not null from portal.child where id = $leo"), '1t',
        'while it can be undone all of the child is there';

    # the job has the family when an agent undoes the removal
    my $job = session();
    $job->{say}("begin; select set_config('portal.tenant', '1', true)");
    $job->{say}("delete from portal.removed where child_id = $leo; update portal.child set left_at = now() - interval '31 days' where id = $leo");
    is $job->{say}("select portal.end_children(30, 10)"), 1, 'a child is being erased';
    my $undo = decided($late, 'reverse', reason => 'Erreur.', pending => 1);
    # pages wait for half a second
    $job->{end}("do 'begin for i in 1..300 loop exit when exists (select from pg_stat_activity where usename = ''portal_web''
        and wait_event_type = ''Lock''); perform pg_stat_clear_snapshot(), pg_sleep(0.01); end loop; end'; commit");
    my $r = $undo->page;
    is $r->status . codes($r), '409:removal_over', 'who undoes its removal just then reads that it is too late';
    is row("select count(*) from portal.child_family where child_id = $leo") . row("select count(*) from portal.child where id = $leo")
        . row("select count(*) from portal.health where child_id = $leo") . row("select count(*) from portal.authorisation where child_id = $leo"),
        '0000', 'nothing of the child is left';
    ok wait_for(patient(30), sub { !row("select count(*) from portal.upload where id = '$file'") }), 'its photo goes with it';
    is row("select child_id is null and subject like 'L%' from portal.change_set where id = $late"), 't', 'the request stays, about nobody';
    like $camille->get("/famille/demandes/$late")->text, qr/Léo/, 'the family reads it';
    is $desk->get("/demandes/$late")->status, 200, 'agents too';

    # and the other way round: who has the family has the child
    my $nina = row("select c.id from portal.child c join portal.child_family m on m.child_id = c.id where m.family_id = $family");
    my $id = removal("enfants/$nina");
    my $undoing = session();
    $undoing->{say}("begin; select from portal.family where id = $family for no key update");
    $portal->psql("update portal.removed set removed_at = now() - interval '31 days' where set_id = $id;
        update portal.child set left_at = now() - interval '31 days' where id = $nina");
    ok wait_for(patient(30), sub { !row("select count(*) from portal.removed where set_id = $id") }), 'the job comes by';
    my $now = row('select clock_timestamp()');
    ok wait_for(patient(30), sub { row("select ran_at > '$now'::timestamptz + interval '0.5 s' from portal.job where name = 'purge'") eq 't' }), 'and again';
    is row("select count(*) from portal.child where id = $nina"), 1, 'while somebody has its family a child stays';
    $undoing->{end}('rollback');
    ok wait_for(patient(30), sub { !row("select count(*) from portal.child where id = $nina") }), 'then it is erased, by the job';
    ok row("select count(*) from portal.retention_run where kind = 'removed'") > 0, 'which says so';
}

done_testing;
