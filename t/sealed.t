#!/usr/bin/perl

# The three sections with sealed fields: tax, bank and health.  Asked for as a
# person without scripts and as a program, never in the clear in the database
# nor in a log, compared without being opened, accepted and read back.

use strict;
use warnings;
use utf8;

use feature qw(state);

use File::Find ();

use Portal::Fault;
use Portal::Place qw(slurp);
use Portal::Test;

my $portal = Portal::Stack->new;

$portal->prepare;
$portal->start_database;
# what PostgreSQL is told stands in its log
$portal->psql("alter role portal_web set log_statement = 'all'");
$portal->psql("alter role portal_web set log_min_duration_statement = 0");
$portal->start_redis;
$portal->start_mail;
$portal->start_nginx;
Portal::Test::adopt($portal);
wait_for(10, sub { client()->get('/connexion')->title =~ /Saint-Aubin/ });

# what must be nowhere in the clear
my %canary = (
    tax_number => '3023217600053', notice => '26CANARI51234', income => '73918264',
    caf => '5173926', iban => 'FR1420041010050500013M02606',
    other_iban => 'DE89370400440532013000', allergies => 'Canari-plumes-et-duvet',
    action => 'Ouvrir-la-cage-puis-le-15', treatment => 'Sirop-de-millet-8824',
    notes => 'Siffle-avant-la-sieste-7731',
);

my %who = map { $_->{email} =~ /^(\w+)/ ? ($1 => $_) : () }
    @{ $portal->demo->{accounts} };
my %id = map { @$_ } $portal->psql("select lower(g.first_name), g.id
    from portal.guardian g join portal.family f on f.id = g.family_id
    where f.number = '104201'");
my ($leo) = map { $_->[0] } $portal->psql("select id from portal.child
    where first_name = 'Léo' and tenant = 1");
my $monique = $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104207'");

my $n = 0;
sub in {
    my ($name, %o) = @_;

    my $c = client(source => '127.0.12.' . ++$n);
    my $r = sign_in($c, $who{$name});
    die "no log-in: ", $r->status, "\n" if $r->status != 303;

    return $o{json} ? as_json($c) : $c;
}

sub page_of {
    my ($section) = @_;

    return "/famille/responsables/$id{camille}/$section" if $section ne 'sante';
    return "/famille/enfants/$leo/sante";
}

sub receipt { return ($_[0]->location // '') =~ m{/famille/demandes/(\d+)} ? $1 : undef }

sub items {
    my ($set) = @_;

    return { map { $_->[0] => { asked => $_->[1], mac => $_->[2], hint => $_->[3] } }
        $portal->psql("select field, asked #>> '{}', encode(asked_mac, 'hex'), asked_hint
            from portal.change_item where set_id = $set") };
}

sub decide {
    my ($set, %fields) = @_;

    state $agent = (agent_client())[0];
    my $page = $agent->get("/demandes/$set");
    my $r = $agent->submit($page, { step => 'accept', %fields }, form => "/demandes/$set");
    is $r->status, 303, 'the agent decides' or diag $r->text;

    return $page;
}

sub codes {
    my ($r) = @_;

    return join ' ', map { "$_->{field}:$_->{code}" } @{ $r->json->{errors} };
}

sub mailed { return scalar $portal->psql("select count(*) from portal.outbox
    where template = 'change_iban'" . ($_[0] ? " and recipient = '$_[0]'" : '')) }


my $html = in('camille');
my $json = as_json($html);
my $julien = in('julien', json => 1);


### tax, as a person

{
    my $page = $html->get(page_of('fiscales'));
    is $page->status, 200, 'tax: the form';
    my $tax = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{tax};
    my %f = @{ $page->form->{fields} };
    is $f{tax_number}, $tax->{tax_number}, 'it opens with what the file holds';
    is $f{reference_income}, $tax->{reference_income}, 'of a sealed number too';
    like $page->text, qr/numéro de la MSA n’est pas demandé/, 'no number of the MSA';

    for my $wrong (['3023217600054', 'Un chiffre de ce numéro fiscal'],
        ['302321760005', '13 chiffres']) {
        my $r = $html->submit($page, { tax_number => $wrong->[0] });
        is $r->status, 422, "a tax number $wrong->[0]";
        like $r->text, qr/$wrong->[1]/, 'says why';
        like $r->content, qr/value="$wrong->[0]"/, 'and shows it again';
    }

    my %asked = (tax_number => '30 23 217 600 053', notice_reference => '26 canari 51234',
        reference_income => '73 918 264', caf_number => "$canary{caf} X", shares => '3,5',
        quotient => '851', scheme => 'caf', quotient_date_day => '1',
        quotient_date_month => '2', quotient_date_year => '2026');
    my $r = $html->submit($page, { %asked, step => 'send' });
    is $r->status, 303, 'asked';
    my $set = receipt($r);
    $r = $html->follow($r);
    like $r->text, qr/Numéro fiscal Avant : \Q$tax->{tax_number}\E Demandé : $canary{tax_number}/,
        'the receipt: today\'s value, and the one asked for';
    like $r->text, qr/Revenu fiscal de référence, en euros Avant : \d[\d\h]+€ Demandé : 73\h918\h264\h€/,
        'of the income';

    my $person = $html->get("/famille/responsables/$id{camille}");
    like $person->text, qr/Numéro fiscal \Q$tax->{tax_number}\E .*Modification demandée/,
        'the page: today\'s value is in force';
    like $person->text, qr/Demandé : $canary{notice}/, 'the one asked for beside it';

    my $i = items($set);
    is_deeply [sort keys %$i], [sort qw(tax_number notice_reference reference_income caf_number
        shares quotient quotient_date)], 'what differs, and no more';
    like $i->{tax_number}{asked}, qr/^[\w-]{60,}$/, 'sealed';
    is $i->{tax_number}{mac}, tool("mac\tsaint-aubin\tvalue\tguardian/" . $portal->psql(
        "select seal_id from portal.guardian where id = $id{camille}")
        . "/tax_number/$canary{tax_number}"), 'its MAC is that of the place and the value';
    is $i->{caf_number}{mac}, tool("mac\tsaint-aubin\tcaf\t$canary{caf}"),
        'the number at the CAF can be found';
    is $i->{shares}{mac}, '', 'what is clear has none';

    # the same again, by a program: it completes nothing, it replaces
    $r = json_post($json, page_of('fiscales'), { tax_number => $canary{tax_number} });
    is $r->status, 200, 'the same number again';
    my $again = $r->json->{location} =~ /(\d+)$/ ? $1 : 0;
    is items($again)->{tax_number}{mac}, $i->{tax_number}{mac}, 'the same MAC';
    isnt items($again)->{tax_number}{asked}, $i->{tax_number}{asked}, 'another ciphertext';

    my $desk = decide($again, step => 'partly', reason => 'Illisible',
        map { $_ => $_ eq 'shares' ? 'refuse' : 'accept' } keys %{ items($again) });
    like $desk->text, qr/$canary{notice}/, 'the agent reads what is asked';
    my $new = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{tax};
    is_deeply $new, { tax_number => $canary{tax_number}, notice_reference => $canary{notice},
        reference_income => '73918264', shares => $tax->{shares}, quotient => 851,
        quotient_date => '2026-02-01', scheme => $tax->{scheme},
        caf_number => $canary{caf} }, 'accepted, but the shares: in the file';
    is $portal->psql("select encode(caf_mac, 'hex') from portal.tax
        where guardian_id = $id{camille}"), $i->{caf_number}{mac}, 'and found by its MAC';

    $r = json_post($json, page_of('fiscales'), { %$new, caf_number => '0' . $canary{caf} });
    is codes($r), 'caf_number:caf_number_format', 'eight digits are none';
    for my $income ('73918264', 73918264) {
        $r = json_post($json, page_of('fiscales'), { %$new, reference_income => $income });
        is codes($r), ':nothing_asked', 'what the file holds is nothing asked';
    }

    $r = json_post($json, page_of('fiscales'), { notice_reference => undef });
    is $r->status, 200, 'emptied';
    my $e = ($r->json->{location} =~ /(\d+)$/)[0];
    is items($e)->{notice_reference}{asked}, '', 'null';
    decide($e);
    is $json->get("/famille/responsables/$id{camille}")->json->{guardian}{tax}{notice_reference},
        undef, 'accepted';
}


### bank, as a person

my $bank = page_of('bancaires');

{
    my $old = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{bank};
    my $page = $html->get($bank);
    is $page->status, 200, 'bank: the form';
    my %f = @{ $page->form->{fields} };
    is $f{iban}, '', 'the IBAN of the file is not given back';
    ok !exists $f{mandate}, 'no answer is ticked';
    like $page->text, qr/Compte enregistré aujourd’hui : •••• \Q$old->{iban_last4}\E/, 'its end is';
    like $page->text, qr/Mandat de prélèvement SEPA En signant ce formulaire de mandat, vous autorisez Saint-Aubin-les-Prés/,
        'the mandate';
    like $page->text, qr/dans les 8 semaines .*FR72ZZZ123456/, 'the refund, the creditor';

    for my $wrong (['FR1520041010050500013M02606', 'mal recopié'],
        ['FR142004101005050001', 'Il manque un signe'],
        ['BR1800360305000010009795493C1', 'zone SEPA']) {
        my $r = $html->submit($page, { iban => $wrong->[0], mandate => 'yes', step => 'check' });
        is $r->status, 422, "IBAN $wrong->[0]";
        like $r->text, qr/$wrong->[1]/, 'says why';
        like $r->content, qr/value="$wrong->[0]"/, 'what was just typed is shown again';
    }

    my $r = $html->submit($page, { iban => $canary{iban}, step => 'check' });
    is $r->status, 422, 'another account without a mandate';
    like $r->text, qr/Pour ce compte, un mandat est nécessaire/, 'says so';
    $r = $html->submit($page, { iban => $canary{iban}, mandate => 'no', step => 'check' });
    like $r->text, qr/Sans mandat, ce compte ne peut pas être débité/, 'nor with a no';

    my $sets = $portal->psql('select count(*) from portal.change_set');
    $page = $html->submit($page, { iban => 'fr14 2004 1010 0505 0001 3m02 606',
        mandate => 'yes', step => 'check' });
    is $page->status, 200, 'shown again before it is sent';
    like $page->text, qr/IBAN Avant : •••• \Q$old->{iban_last4}\E Demandé : •••• 2606/, 'by its end';
    is $portal->psql('select count(*) from portal.change_set'), $sets, 'nothing is stored';
    is mailed(), 0, 'nobody is warned';

    # who took the account over has changed its address first
    my $account = $portal->psql("select id from portal.account where email =
        '$who{camille}{email}'");
    $portal->psql("insert into portal.token (tenant, mac, purpose, account_id, epoch,
        expires_at, created_at, email, email_mac)
        select 1, sha256(d::text::bytea), 'undo', $account, 1, now() + interval '1 hour',
        now() - d * interval '1 day', 'before.' || d || '\@parents.example',
        sha256((d || 'x')::bytea) from unnest(array[10, 40]) d");

    $r = $html->submit($page, { step => 'send' });
    is $r->status, 303, 'sent';
    my $set = receipt($r);
    my $desk;
    is mailed($who{camille}{email}), 1, 'the owner is warned at once';
    is mailed('before.10@parents.example'), 1, 'also where the account was written to lately';
    is mailed(), 2, 'and nobody else';
    my $mail = letter($who{camille}{email}, 'change_iban');
    ok $mail, 'the mail';
    like $mail->{text}, qr/Nouveau compte|compte bancaire change/, 'says what';
    unlike "$mail->{text} $mail->{html}", qr/••|FR14|M02606/, 'without the account';

    my $i = items($set);
    is_deeply [sort keys %$i], [qw(bic iban mandate)], 'account and mandate, and no BIC of another';
    is $i->{iban}{hint}, '2606', 'its end';
    is $i->{mandate}{asked}, $portal->psql('select current_date'), 'agreed to today';

    # once sent it is not given back
    for my $path ($bank, "/famille/responsables/$id{camille}", "/famille/demandes/$set",
        '/famille/demandes', '/famille') {
        unlike $_->get($path)->content, qr/$canary{iban}|05050001/, "$path: not the IBAN"
            for $html, $json;
    }
    like $html->get("/famille/responsables/$id{camille}")->text, qr/Demandé : •••• 2606/,
        'the person\'s page shows its end';

    # the open request is changed: the account that it asks for stays
    $page = $html->get($bank);
    $r = $html->submit($page, { holder => 'C. Martin', step => 'send' });
    is $r->status, 303, 'another holder';
    my $second = receipt($r);
    $i = items($second);
    is_deeply [sort keys %$i], [qw(bic holder iban mandate)], 'left empty, the account stays asked for';
    is mailed(), 2, 'nobody is warned twice';

    $desk = decide($second);
    like $desk->text, qr/•••• 2606/, 'the agent sees the end of the IBAN';
    unlike $desk->content, qr/$canary{iban}/, 'and no more';
    my $new = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{bank};
    is $new->{holder}, 'C. Martin', 'accepted: the holder';
    is $new->{iban_last4}, '2606', 'the account';
    is $new->{mandate_date}, $portal->psql('select current_date'), 'a mandate of the day it was asked';
    like $new->{mandate_reference}, qr/^PF-\d{8}-[0-9A-F]{12}$/, 'with a reference';
    isnt $new->{mandate_reference}, $old->{mandate_reference}, 'of its own';
    unlike $new->{mandate_reference}, qr/2606/, 'not of the IBAN';

    # the same account again is nothing
    for my $again ({ iban => $canary{iban}, mandate => 'yes' }, { iban => $canary{iban} },
        { mandate => 'yes' }, { iban => undef }) {
        is codes(json_post($json, $bank, $again)), ':nothing_asked',
            'nothing asked: ' . join ' ', sort keys %$again;
    }
    is codes(json_post($json, $bank, { iban => $canary{other_iban} })), 'mandate:required',
        'a program must send the mandate too';
    is codes(json_post($json, $bank, { mandate => 'no' })), 'mandate:mandate_needed',
        'a mandate is not taken back here';

    # the holder alone keeps account and mandate
    $r = json_post($json, $bank, { holder => 'Camille Martin', bic => 'PSSTFRPP' });
    my $third = ($r->json->{location} =~ /(\d+)$/)[0];
    my $kept = $portal->psql("select rest from portal.change_set where id = $third");
    like $kept, qr/"hint": "2606"/, 'the rest of what is decided whole, by its end';
    unlike $kept, qr/"value": "[\w-]{40}|$canary{iban}/, 'never the account, sealed or not';
    my $agent = agent_client();
    my $seen = $agent->get("/demandes/$third");
    like $seen->text, qr/•••• 2606 •••• 2606 Non demandé/, 'the agent sees that it stays';
    unlike $seen->text, qr/A changé/, 'as it was';
    my $mac = $portal->psql("select encode(iban_mac, 'hex') from portal.bank where guardian_id = $id{camille}");
    $portal->psql("update portal.bank set iban_mac = sha256('x') where guardian_id = $id{camille}");
    like $agent->get("/demandes/$third")->text, qr/A changé •••• 2606 •••• 2606 Non demandé/, 'another with the same end';
    $portal->psql("update portal.bank set iban_mac = decode('$mac', 'hex') where guardian_id = $id{camille}");
    is_deeply [sort keys %{ items($third) }], [qw(bic holder)], 'holder and BIC';
    decide($third);
    is_deeply $json->get("/famille/responsables/$id{camille}")->json->{guardian}{bank},
        { %$new, holder => 'Camille Martin', bic => 'PSSTFRPP' }, 'the mandate is the same';

    # undone and undone again, each account comes with the mandate that it had
    my @mandate = qw(iban_last4 mandate_date mandate_reference);
    decide($second, step => 'reverse', reason => 'Erreur');
    my $back = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{bank};
    is_deeply [@$back{@mandate}], [@$old{@mandate}], 'the account of before, with its mandate';
    my $undo = $portal->psql("select id from portal.change_set where reverses = $second");
    unlike $html->get("/famille/demandes/$undo")->content, qr/$canary{iban}|05050001/, 'not the IBAN';
    decide($undo, step => 'reverse', reason => 'Finalement');
    $back = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{bank};
    is_deeply [@$back{@mandate}], [@$new{@mandate}], 'and so the new one';
}

# who had none yet
{
    $portal->psql("delete from portal.bank where guardian_id = $id{julien}");
    my $r = json_post($julien, "/famille/responsables/$id{julien}/bancaires",
        { iban => $canary{other_iban}, mandate => 'yes' });
    is codes($r), 'holder:required', 'a first account needs a holder';
    $r = json_post($julien, "/famille/responsables/$id{julien}/bancaires",
        { iban => $canary{other_iban}, mandate => 'yes', holder => 'Julien Martin' });
    is $r->status, 200, 'the other guardian\'s own account';
    my ($set) = $r->json->{location} =~ /(\d+)$/;
    decide($set);
    my $b = $julien->get("/famille/responsables/$id{julien}")->json->{guardian}{bank};
    is $b->{iban_last4}, '3000', 'is in the file';
    is $b->{mandate_date}, $portal->psql('select current_date'), 'with its mandate';

    decide($set, step => 'reverse', reason => 'Compte d’un autre');
    $b = $julien->get("/famille/responsables/$id{julien}")->json->{guardian}{bank};
    is $b, undef, 'undone: there is none again';
}


### a key counts once

{
    my %key = (headers => { 'Idempotency-Key' => 'sealed-key-1' });
    my @r = map { json_post($json, $bank, { iban => $_, mandate => 'yes' }, %key) }
        @canary{qw(other_iban other_iban iban)};
    is $r[0]->status, 200, 'asked under a key';
    is $r[1]->json->{location}, $r[0]->json->{location},
        'the same again is the same request, though it was sealed anew';
    is $r[2]->status, 422, 'another account under that key';
    is codes($r[2]), ':idempotency_mismatch', 'is a mismatch';
    is $portal->psql("select count(*) from portal.change_set where section = 'guardian_bank'
        and guardian_id = $id{camille} and state = 'sent'"), 1, 'one request';
}


### another account does not take the BIC along, whoever asks
{
    my $accept = sub {
        my ($r) = @_;
        decide(receipt($r) // ($r->json->{location} =~ /(\d+)$/)[0]);
        my $b = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{bank};
        return join ' ', map { $_ // '-' } @$b{qw(iban_last4 bic)};
    };
    decide(scalar $portal->psql("select id from portal.change_set where section = 'guardian_bank'
        and guardian_id = $id{camille} and state = 'sent'"), step => 'refuse', reason => 'Non');
    $portal->psql("update portal.bank set bic = 'PSSTFRPP' where guardian_id = $id{camille}");
    is codes(json_post($json, $bank, { bic => 'PSSTFRPP', iban => $canary{iban} })), ':nothing_asked',
        'the BIC without another IBAN stays';

    my $page = $html->get($bank);
    like $page->text, qr/Sinon, l’ancien BIC est effacé avec l’ancien IBAN/, 'the form says so';
    my $check = $html->submit($page, { iban => $canary{other_iban}, mandate => 'yes', step => 'check' });
    like $check->text, qr/BIC Avant : PSSTFRPP Demandé : Non renseigné/, 'shown before it is sent';
    is $accept->($html->submit($check, { step => 'send' }, form => $bank)), '3000 -', 'left as it was it goes';
    is $accept->(json_post($json, $bank, { iban => $canary{iban}, bic => 'CMCIFRPP', mandate => 'yes' })),
        '2606 CMCIFRPP', 'given anew it is that one';
    is $accept->(json_post($json, $bank, { iban => $canary{other_iban}, mandate => 'yes' })), '3000 -',
        'not given it goes';

    # the open request asks for another account; the same BIC, given over an empty one, is given
    $portal->psql("update portal.bank set bic = 'PSSTFRPP' where guardian_id = $id{camille}");
    is json_post($json, $bank, { iban => $canary{iban}, mandate => 'yes' })->status, 200, 'asked for';
    is { @{ $html->get($bank)->form($bank)->{fields} } }->{bic}, '', 'the form has none';
    is $accept->($html->submit($html->get($bank), { bic => 'PSSTFRPP', step => 'send' }, form => $bank)),
        '2606 PSSTFRPP', 'which is given again';
    is json_post($json, $bank, { iban => $canary{other_iban}, mandate => 'yes' })->status, 200, 'another';
    is json_post($json, $bank, { iban => $canary{iban} })->json->{notice}, 'withdrawn',
        'back to the account of the file, with its BIC: nothing is asked any more';

    # another account at the same bank
    is $portal->psql("select bic from portal.bank where guardian_id = $id{camille}"), 'PSSTFRPP', 'there is one';
    $check = $html->submit($html->get($bank), { iban => $canary{other_iban}, mandate => 'yes', bic_kept => 'yes', step => 'check' });
    unlike $check->text, qr/BIC Avant/, 'said to be the same bank\'s: it does not go';
    is $accept->($html->submit($check, { step => 'send' }, form => $bank)), '3000 PSSTFRPP', 'and has not';
    is $accept->(json_post($json, $bank, { iban => $canary{iban}, bic_kept => 'yes', mandate => 'yes' })), '2606 PSSTFRPP', 'a program says it too';
    is codes(json_post($json, $bank, { bic_kept => 'yes' })), ':nothing_asked', 'by itself it asks for nothing';
    is $accept->(json_post($json, $bank, { iban => $canary{other_iban}, bic => 'CMCIFRPP', bic_kept => 'no', mandate => 'yes' })), '3000 CMCIFRPP', 'no is no';
    is $accept->(json_post($json, $bank, { bic => undef })), '3000 -', 'emptied';
    unlike $html->get($bank)->content, qr/name="bic_kept"/, 'where there is none it is not asked';
    $portal->psql("update portal.bank set bic = 'PSSTFRPP' where guardian_id = $id{camille}");
    is $accept->(json_post($json, $bank, { iban => $canary{iban}, bic_kept => 'yes', mandate => 'yes' })), '2606 PSSTFRPP', 'back';

    # no account any more
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy, validation) values (1, 'guardian_bank', 'iban', 'shown', 'agent')");
    unlike $html->get($bank)->content, qr/name="stop"/, 'not where the town lets nobody change it';
    is codes(json_post($json, $bank, { stop => 'yes' })), ':nothing_asked', 'nor for a program';
    $portal->psql("delete from portal.field_policy where section = 'guardian_bank'");
    my $sent = mailed($who{camille}{email});
    my $kept = $portal->psql("select iban_last4 || ' ' || mandate_reference from portal.bank where guardian_id = $id{camille}");
    $check = $html->submit($html->get($bank), { stop => 'yes', step => 'check' });
    like $check->text, qr/IBAN Avant\s: •••• 2606 Demandé\s: Non renseigné.*Mandat signé le .*Demandé\s: Non renseigné/s, 'an account that is to go: shown as a whole';
    unlike $check->text, qr/vous autorisez/, 'without a mandate to agree to';
    my $r = $html->submit($check, { step => 'send' }, form => $bank);
    my $set = receipt($r);
    ok $set, 'sent' or diag $r->text;
    is mailed($who{camille}{email}), $sent, 'it is no new account to warn of';
    is { @{ $html->get($bank)->form($bank)->{fields} } }->{stop}, 'yes', 'the form opens with what is asked';
    decide($set);
    is $json->get("/famille/responsables/$id{camille}")->json->{guardian}{bank}, undef, 'accepted: there is none';
    unlike $html->get($bank)->content, qr/name="stop"/, 'which is asked no more';
    is codes(json_post($json, $bank, { stop => 'yes' })), ':nothing_asked', 'nor by a program';
    my $desk = agent_client();
    $r = $desk->submit($desk->get("/demandes/$set"), { step => 'reverse', reason => 'Erreur' }, form => "/demandes/$set");
    is $portal->psql("select iban_last4 || ' ' || mandate_reference from portal.bank where guardian_id = $id{camille}"), $kept, 'undone, it is back with its mandate';

    $portal->psql("insert into portal.field_policy (tenant, section, field, policy)
        values (1, 'guardian_bank', 'bic', 'required')");
    unlike $html->get($bank)->content, qr/name="bic_kept"/, 'nor where it must be given anyway';
    is codes(json_post($json, $bank, { iban => $canary{other_iban}, mandate => 'yes' })), 'bic:required',
        'where there must be one it is asked for';
    is $accept->(json_post($json, $bank, { iban => $canary{other_iban}, bic => 'PSSTFRPP', mandate => 'yes' })),
        '3000 PSSTFRPP', 'the same bank may be named again';
    $portal->psql("delete from portal.field_policy where section = 'guardian_bank'");
}


### health

my $health = page_of('sante');

{
    my $page = $html->get($health);
    is $page->status, 200, 'health: the form';
    like $page->text, qr/Vaccins obligatoires pour cet enfant : diphtérie, tétanos et poliomyélite \(naissance avant 2018\)/,
        'the vaccines of a child born in 2017';
    for my $born (['2019-05-05', 'eleven'], ['2025-02-02', 'acwy_b']) {
        $portal->psql("update portal.child set birth_date = '$born->[0]' where id = $leo");
        is $json->get($health)->json->{about}{vaccines_for}, $born->[1], "born $born->[0]";
    }
    like $html->get($health)->text, qr/méningocoques A, C, W, Y et B/, 'in words';

    my $r = $html->submit($page, { notes => "Dort bien.\nNIR 1 85 05 78 006 084 91" });
    is $r->status, 422, 'a social security number in the notes';
    like $r->text, qr/N’écrivez pas de numéro de sécurité sociale/, 'is refused with its message';
    is codes(json_post($json, $health, { notes => '1850578006084' })), 'notes:private_nir',
        'to a program too';

    my %asked = (allergies => "$canary{allergies}\r\net œufs", allergy_action => $canary{action},
        treatment => $canary{treatment}, notes => $canary{notes}, pai => 'yes',
        pai_start_day => 1, pai_start_month => 9, pai_start_year => 2026, pai_end_day => 5,
        pai_end_month => 7, pai_end_year => 2026, doctor_name => 'Dr Perroquet',
        doctor_phone => '03 20 11 22 33', glasses => 'yes');
    $page = $html->get($health);
    $r = $html->submit($page, { %asked, step => 'send' });
    is $r->status, 422, 'a plan that ends before it begins';
    like $r->text, qr/La fin du PAI doit suivre son début/, 'says so';
    like $r->content, qr/\Q$canary{notes}\E/, 'what was typed is there again';

    $r = $html->submit($r, { pai_end_year => 2027, step => 'send' });
    is $r->status, 303, 'asked';
    my $set = receipt($r);
    $r = $html->follow($r);
    like $r->text, qr/Allergies Avant : .* Demandé : $canary{allergies} et œufs/, 'the receipt';
    is $portal->psql("select urgent from portal.change_set where id = $set"), 't',
        'allergies cannot wait';
    my $desk = (agent_client())[0]->get("/demandes/$set")->text;
    like $desk, qr/Allergies.{0,200}Accepter/s, 'an agent decides each line';
    unlike $desk, qr/tout de suite|N’écrivez ni/, 'without the hints of who fills it in';
    like $html->get("/famille/enfants/$leo")->text, qr/Demandé : $canary{notes}/,
        'the child\'s page shows what is asked';

    my $before = $julien->get("/famille/enfants/$leo")->content;
    unlike $before, qr/$canary{notes}/, 'the other guardian does not see it';
    decide($set);
    my $seen = $julien->get("/famille/enfants/$leo")->json->{child}{health};
    is $seen->{allergies}, "$canary{allergies}\net œufs", 'accepted: the other guardian reads it';
    is $seen->{notes}, $canary{notes}, 'all of it';
    is_deeply [@$seen{qw(pai pai_start pai_end)}], ['yes', '2026-09-01', '2027-07-05'], 'the plan';
    is $html->get("/famille/enfants/$leo")->status, 200, 'and the family';

    # no plan, no dates
    $r = json_post($json, $health, { pai => 'no' });
    $set = ($r->json->{location} =~ /(\d+)$/)[0];
    is_deeply [sort keys %{ items($set) }], [qw(pai pai_end pai_start)],
        'without a plan its dates go';
    decide($set);
    $seen = $julien->get("/famille/enfants/$leo")->json->{child}{health};
    is_deeply [@$seen{qw(pai pai_start pai_end)}], ['no', undef, undef], 'indeed';
    is $seen->{treatment}, $canary{treatment}, 'the rest stays';

    $r = json_post($json, $health, { swims => $seen->{swims} eq 'yes' ? 'no' : 'yes' });
    $set = ($r->json->{location} =~ /(\d+)$/)[0];
    is $portal->psql("select urgent from portal.change_set where id = $set"), 'f',
        'swimming can wait';
    is codes(json_post($json, $health, { notes => $canary{notes}, allergies =>
        "  $canary{allergies}\net œufs  ", swims => $seen->{swims} })), '',
        'asking for what is there withdraws the request';
    is $portal->psql("select state from portal.change_set where id = $set"), 'withdrawn',
        'indeed';
}


### who may not

for my $path ("/famille/responsables/$id{camille}/bancaires",
    "/famille/responsables/$id{camille}/fiscales", "/famille/responsables/$monique/bancaires",
    '/famille/responsables/999999/fiscales') {
    my $counted = $portal->psql('select count(*) from portal.change_set');
    my %value = $path =~ /bancaires/ ? (iban => $canary{iban}, mandate => 'yes')
        : (tax_number => $canary{tax_number});

    is $julien->get($path)->status, 404, "$path: another's is no page";
    is json_post($julien, $path, \%value, page => '/famille')->status, 404, "$path: nor a form";
    is $portal->psql('select count(*) from portal.change_set'), $counted, "$path: nothing is stored";
}
is json_post(in('monique', json => 1), $health, { notes => 'x' }, page => '/famille')->status,
    404, 'nor a child of another family';

my $nobody = client(json => 1);
is $nobody->get($bank)->status, 401, 'nor anybody without a session';


### a session that ends meanwhile

{
    my $c = in('camille');
    my $page = $c->get($bank);
    $portal->psql("update portal.session s set ended_at = now() from portal.account a
        where a.id = s.account_id and a.email = '$who{camille}{email}' and s.ended_at is null");
    $portal->redis_cli('FLUSHALL');
    my $r;
    wait_for(15, sub {
        $r = $c->submit($page, { iban => $canary{iban}, mandate => 'yes', step => 'check' },
            forget => 1);
        $r->status == 401;
    });
    is $r->status, 401, 'the session has ended';
    unlike $r->content, qr/$canary{iban}/, 'what was typed is not readable';
    $r = $c->submit($r, { email => $who{camille}{email}, password => $who{camille}{password} },
        form => '/connexion');
    is $r->location, "$bank?reprise=1", 'logged in, back to the form';
    $page = $c->get($r->location);
    like $page->content, qr/name="iban"[^>]* value="$canary{iban}"/, 'filled with what was typed';
    $r = $c->submit($page, { mandate => 'yes', step => 'check' });
    is $r->status, 200, 'and it goes on from there';
    $html = $c;
    $json = as_json($c);
}


### moved ciphertexts do not open

{
    expect_complaint(qr/a sealed value does not open/);
    my $person = "/famille/responsables/$id{camille}";

    $portal->psql("update portal.tax set tax_number = reference_income,
        reference_income = tax_number where guardian_id = $id{camille}");
    is $html->get($person)->status, 500, 'two fields swapped: the page does not open';
    is $html->get("$person/fiscales")->status, 500, 'nor the form';
    is json_post($json, "$person/fiscales", { quotient => 1 }, page => '/mes-abonnements')->status, 200,
        'what opens nothing goes on';
    $portal->psql("update portal.tax set tax_number = reference_income,
        reference_income = tax_number where guardian_id = $id{camille}");
    is $html->get($person)->status, 200, 'and back';

    my $nina = $portal->psql("select c.id from portal.child c where c.first_name = 'Nina'");
    my $notes = $portal->psql("select notes from portal.health where child_id = $leo");
    $portal->psql("update portal.health set notes = '$notes' where child_id = $nina");
    is $html->get("/famille/enfants/$nina")->status, 500, 'nor in another child\'s row';
    $portal->psql("update portal.health set notes = null, notes_mac = null where child_id = $nina");

    my $r = json_post($json, $health, { notes => 'plus de sieste' });
    my $set = ($r->json->{location} =~ /(\d+)$/)[0];
    $portal->psql("update portal.change_item set asked = (select to_jsonb(treatment)
        from portal.health where child_id = $leo) where set_id = $set and field = 'notes'");
    my $desk = (agent_client())[0];
    my $number = $portal->psql("select number from portal.change_set where id = $set");
    is $_->get("/famille/demandes/$set")->status, 500, 'T217 nor in a request' for $html, $json;
    is $desk->get("/demandes/$set")->status, 500, 'T217 nor for an agent';

    # what opens no value is readable all the same
    for my $list ([$html, '/famille/demandes'], [$json, '/famille/demandes'], [$desk, '/']) {
        my $page = $list->[0]->get($list->[1]);
        is $page->status, 200, "T217 $list->[1]: the list is";
        like $page->content, qr/$number/, 'T217 with that request';
    }
    $portal->psql("delete from portal.change_set where id = $set");
    ok log_lines(qr/a sealed value does not open/), 'the log says so';
}


### values that were sealed before there were MACs

{
    my $macs = sub { join ' ', map { join '/', map { $_ // '' } @$_ } $portal->psql("select encode(t.tax_number_mac, 'hex'),
        encode(t.notice_reference_mac, 'hex'), encode(t.reference_income_mac, 'hex'), encode(t.caf_mac, 'hex'), encode(b.iban_mac, 'hex'),
        encode(h.allergies_mac, 'hex'), encode(h.allergy_action_mac, 'hex'), encode(h.treatment_mac, 'hex'), encode(h.notes_mac, 'hex')
        from portal.tax t, portal.bank b, portal.health h where t.guardian_id = $id{camille} and b.guardian_id = t.guardian_id and h.child_id = $leo") };
    my $command = sub {
        open my $in, '-|', top() . '/sql/macs', $portal->keys, top() . '/build/portal-tool', $portal->pg->psql_args or die "sql/macs: $!\n";
        my $said = join '', <$in>;
        close $in;
        return ($? >> 8) . " $said";
    };
    my $had = $macs->();
    my $count = () = $had =~ /[0-9a-f]{64}/g;
    cmp_ok $count, '>', 7, 'each value has one';
    is $command->(), "0 0 values got a MAC\n", 'nothing to do';

    my $iban = $portal->psql("select iban from portal.bank where guardian_id = $id{camille}");
    $portal->psql("update portal.change_set set state = 'withdrawn' where state = 'sent' and guardian_id = $id{camille};
        update portal.tax set tax_number_mac = null, notice_reference_mac = null, reference_income_mac = null, caf_mac = null where guardian_id = $id{camille};
        update portal.bank set iban_mac = null where guardian_id = $id{camille};
        update portal.health set allergies_mac = null, allergy_action_mac = null, treatment_mac = null, notes_mac = null where child_id = $leo");
    is $macs->(), '////////', 'as they were before there were any';
    is $command->(), "0 $count values got a MAC\n", 'they get theirs';
    is $macs->(), $had, 'which are those that they would have had';
    my $number = $json->get("/famille/responsables/$id{camille}")->json->{guardian}{tax}{tax_number};
    is codes(json_post($json, page_of('fiscales'), { tax_number => $number })), ':nothing_asked', 'what is typed again is no change';

    $portal->psql("update portal.bank set iban_mac = null, iban = (select treatment from portal.health where child_id = $leo) where guardian_id = $id{camille};
        update portal.tax set caf_mac = null where guardian_id = $id{camille}");
    is $command->(), "1 does not open: bank.iban of saint-aubin, guardian_id $id{camille}\n1 values got a MAC\n", 'what does not open is named, the others are done';
    $portal->psql("update portal.bank set iban = '$iban' where guardian_id = $id{camille}");
    $command->();
    is $macs->(), $had, 'put right';
}


### nothing in the clear, anywhere

is $portal->psql("select count(*) from portal.change_item i join portal.field f
    on f.name = i.field and f.sealed join portal.change_set s on s.id = i.set_id
    and s.section = f.section where jsonb_typeof(i.asked) = 'string'
    and (i.asked #>> '{}') !~ '^[A-Za-z0-9_-]{40,}\$'"), 0, 'each sealed item is sealed';

my $data = do {
    open my $dump, '-|', Portal::Database::bin('pg_dump'), '--inserts',
        $portal->pg->psql_args or die $!;
    local $/;
    <$dump>;
};
like $data, qr/C\. Martin/, 'the database, dumped';
is_deeply [grep { index($data, $canary{$_}) >= 0 } sort keys %canary], [],
    'and no value in it';

$portal->stop;

my @logs;
File::Find::find({ no_chdir => 1, wanted => sub {
    push @logs, $_ if -f && /\.(?:log|txt)$/ || m{/pgdata/log/};
} }, $portal->dir);
ok((grep { /error\.log$/ } @logs) && (grep { /access\.log$/ } @logs), 'the logs');
like slurp($portal->pg->log_file), qr/portal\.seal_place/, 'PostgreSQL told its statements';
my @found;
for my $file (@logs) {
    my $text = slurp($file) // '';
    push @found, map { "$_ in $file" } grep { index($text, $canary{$_}) >= 0 } sort keys %canary;
}
is_deeply \@found, [], 'no value in a log';

done_testing;
