#!/usr/bin/perl

# « Mes données »: all that the portal holds about the person who asks, as a
# page, as JSON and as a file for a spreadsheet; and nothing of anybody else
# that the table of visibility does not give.

use strict;
use warnings;
use utf8;

use JSON::PP ();
use Portal::Place qw(slurp spew);
use Portal::Test;

my $portal = portal();
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };

sub in {
    my ($name, %o) = @_;

    my $c = client(%o);
    my $h = client(%o, json => 0);
    sign_in($h, $people{$name});
    $c->{cookies} = $h->{cookies};

    return $c;
}

# by a parser that is not ours, as Excel of a French machine reads it: UTF-8
# with its mark, semicolons; strict about quotes
sub parsed {
    my ($r) = @_;

    my $file = $portal->dir . '/data.csv';
    spew($file, $r->content);

    open my $in, '-|', 'python3', '-c', <<'END', $file or die "python3: $!\n";
import csv, json, sys
raw = open(sys.argv[1], 'rb').read()
assert raw.startswith(b'\xef\xbb\xbf'), 'no mark'
assert raw.endswith(b'\r\n'), 'the last line does not end'
rows = csv.reader(raw[3:].decode('utf-8').splitlines(keepends=True),
                  delimiter=';', strict=True)
print(json.dumps(list(rows)))
END
    my $text = do { local $/; <$in> };
    close $in or die "not CSV\n", $r->content;

    return @{ JSON::PP->new->decode($text) };
}

# the values of a line: part, person, information
sub value {
    my ($rows, $part, $person, $name) = @_;

    return join '|', map { $_->[4] }
        grep { $_->[0] eq $part && $_->[1] eq $person && $_->[3] eq $name } @$rows;
}

# what only its owner may see of a guardian, opened
sub secrets {
    my ($first) = @_;

    my ($g) = $portal->psql("select g.seal_id, t.tax_number, t.notice_reference,
        t.reference_income, t.caf_number, b.iban, b.iban_last4, b.mandate_reference
        from portal.guardian g left join portal.tax t on t.guardian_id = g.id
        left join portal.bank b on b.guardian_id = g.id
        where g.first_name = '$first' and g.tenant = 1");
    my ($seal, @sealed) = @$g;
    my %open = (mandate => pop @sealed, last4 => pop @sealed);

    for my $field (qw(tax_number notice_reference reference_income caf_number iban)) {
        my $value = shift @sealed or next;
        $open{$field} = tool("open\tsaint-aubin\tguardian\t$seal\t$field\t$value");
    }

    return \%open;
}


### the three renderings of one document

my $h = in('camille');
my $j = in('camille', json => 1);
my ($own, $other) = (secrets('Camille'), secrets('Julien'));
my $before = $portal->psql("select count(*) from portal.audit where action = 'my_data'");
$portal->psql("update portal.family set accounting_code = 'TIERS-90817' where number = '104201'");
my $json = $j->get('/mes-donnees');
my $html = $h->get('/mes-donnees');
is $portal->psql("select count(*) from portal.audit where action = 'my_data'"), $before,
    'reading is no event';
my $csv = $h->get('/mes-donnees.csv');
is $portal->psql("select count(*) from portal.audit where action = 'my_data'
    and outcome = 'csv'"), $before + 1, 'taking a file away is one';
my @rows = parsed($csv);
my $data = $json->json;
like $_->content, qr/TIERS-90817/, 'the number in the accounts' for $html, $json, $csv;

is $_->status, 200, $_->header('content-type') for $html, $json, $csv;
is $_->header('cache-control'), 'no-store', 'kept nowhere' for $html, $json, $csv;
is $csv->header('content-type'), 'text/csv; charset=utf-8', 'the file\'s type';
is $csv->header('content-disposition'), q{attachment; filename*=UTF-8''mes-donnees.csv},
    'and its name';
is $csv->header('x-content-type-options'), 'nosniff', 'for a spreadsheet only';
is_deeply [grep { @$_ != 5 } @rows], [], 'each line has its five cells';
unlike $csv->content =~ s/\r\n//gr, qr/[\r\n]/, 'lines end as they should';
my $head = $h->request('HEAD', '/mes-donnees.csv');
is $head->header('content-disposition'), $csv->header('content-disposition'), 'HEAD';
is $head->content, '', 'has no content';
is $j->get('/mes-donnees.csv')->json->{account}{email}, $people{camille}{email},
    'a program may have the document there too';

is_deeply [sort keys %$data], [sort qw(csrf status account subscriptions codes families
    connections devices mails links events events_most requests verifications unreadable)], 'JSON: what there is';
is_deeply $data->{unreadable}, [], 'JSON: all of it could be read';
is $data->{account}{email}, 'camille.martin@exemple.fr', 'JSON: the account';
is $data->{subscriptions}[0]{family_number}, '104201', 'JSON: the subscription';
is $data->{families}[0]{guardians}[0]{of}{tax}{tax_number}, $own->{tax_number},
    'JSON: sealed values are opened';
is $data->{families}[0]{guardians}[0]{of}{bank}{iban_last4}, $own->{last4},
    'JSON: the IBAN by its end';
ok +(grep { $_->{action} eq 'sign_in' && $_->{outcome} eq 'ok' } @{ $data->{events} }),
    'JSON: what was done';
ok +(grep { $_->{live} } @{ $data->{connections} }), 'JSON: the sessions';

like $html->text, qr/$_/, "HTML: $_" for 'Camille Martin', 'Numéro de famille 104201',
    qr/Numéro fiscal \Q$own->{tax_number}\E/, 'Téléphone fixe Non renseigné',
    qr/IBAN, quatre derniers caractères \Q$own->{last4}\E/, 'Connexion Succès',
    'Classe de Mme N’Diaye', 'Rentrer seul Sans réponse';

is value(\@rows, 'Mon compte', '', 'Adresse électronique'), 'camille.martin@exemple.fr',
    'CSV: the account';
is value(\@rows, 'Informations fiscales', 'Camille Martin', 'Numéro fiscal'),
    "'$own->{tax_number}", 'CSV: sealed values are opened, a long number stays one';
is value(\@rows, 'Informations de base', 'Camille Martin', 'Date de naissance'),
    '14/03/1987', 'CSV: dates';
is value(\@rows, 'Informations de base', 'Camille Martin', 'Téléphone fixe'), '',
    'CSV: nothing is an empty cell';
like +(grep { $_->[0] eq 'Mes connexions' } @rows)[0][2], qr{^\d\d/\d\d/\d{4} \d\d:\d\d$},
    'CSV: moments';
$portal->psql("update portal.tax set shares = 2.5 where guardian_id = (select id
    from portal.guardian where first_name = 'Camille' and tenant = 1)");
@rows = parsed($h->get('/mes-donnees.csv'));
is value(\@rows, 'Informations fiscales', 'Camille Martin', 'Nombre de parts'), '2,5',
    'CSV: the decimal comma';
ok +(grep { $_->[0] eq 'Opérations' && $_->[3] eq 'Téléchargement de mes données' } @rows),
    'CSV: it tells itself';


### what was asked for: each line of the file has its five cells then, too

{
    my $agent = agent_client();
    my ($id) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
        where g.first_name = 'Camille' and g.tenant = 1");
    my $r = json_post($j, "/famille/responsables/$id/base", { profession => 'Relieuse', comment => "Depuis\nmars" });
    my ($set) = ($r->json->{location} // '') =~ m{/famille/demandes/(\d+)};
    ok $set, 'a request' or diag $r->status, $r->content;
    my $number = $j->get("/famille/demandes/$set")->json->{request}{number};
    is $agent->submit($agent->get("/demandes/$set"), { step => 'refuse', reason => 'Il manque une pièce.' },
        form => "/demandes/$set")->status, 303, 'which is refused';

    my @rows = parsed($h->get('/mes-donnees.csv'));
    is_deeply [grep { @$_ != 5 } @rows], [], 'five cells';
    my %of = map { ("$_->[0]/$_->[3]" => $_) } grep { $_->[2] eq $number } @rows;
    is_deeply [map { $of{"Mes demandes/$_"} ? @{ $of{"Mes demandes/$_"} }[1, 4] : undef }
            'Profession', 'Votre message', 'Réponse de la mairie'],
        ['Camille Martin', 'Relieuse', 'Camille Martin', "Depuis\nmars", 'Camille Martin', 'Il manque une pièce.'],
        'whom it is about, what was asked for, and what the town has answered';
    like $of{'Mes demandes/Réponse le'}[4], qr{^\d\d/\d\d/\d{4} }, 'when';
    is $of{'Mes demandes, valeur d’avant/Profession'}[4], 'Infirmière', 'and what was there';
    like $h->get('/mes-donnees')->text, qr/Demande n° $number .*Réponse le .*Il manque une pièce\./, 'the page says it';
}


### never another's

for my $r ($html, $json, $csv) {
    my $what = $r->header('content-type');
    unlike $r->content, qr/\Q$other->{$_}/, "$what: nothing of the other's $_"
        for qw(tax_number notice_reference caf_number iban mandate);
    unlike $r->content, qr/\Q$own->{iban}/, "$what: no IBAN whole";
    unlike $r->content, qr/\$sealed|seal_id|password_hash|_mac\b|argon2/,
        "$what: nothing of the machinery";
    like Encode::decode('UTF-8', $r->content =~ s{<wbr>}{}gr), qr/julien\.martin\@exemple\.fr/,
        "$what: what a family shares";
}
is value(\@rows, 'Informations fiscales', 'Julien Martin', $_), '', "CSV: no $_ of the other"
    for 'Numéro fiscal', 'Quotient familial, en euros';

# of a child's other family four things
my ($thomas) = $portal->psql("select g.email, g.phone_mobile, a.street, g.birth_date
    from portal.guardian g join portal.address a on a.guardian_id = g.id
    where g.first_name = 'Thomas' and g.last_name = 'Moreau'");
my $sophie = in('sophie');
for my $r ($sophie->get('/mes-donnees'), in('sophie', json => 1)->get('/mes-donnees'),
    $sophie->get('/mes-donnees.csv'))
{
    my $what = $r->header('content-type');
    like $r->content, qr/Moreau/, "$what: the other family's name";
    unlike $r->content, qr/\Q$_/, "$what: not « $_ »" for grep { $_ } @$thomas;
}

# the other town's, and nobody's
for my $path ('/mes-donnees', '/mes-donnees.csv') {
    is client()->get($path)->location, '/connexion?suite=' . $path =~ s{/}{%2F}gr,
        "$path: not without a log-in";
    is client(json => 1)->get($path)->status, 401, "$path: nor for a program";
}


### cells that a spreadsheet would compute

{
    my %typed = (
        profession => '=HYPERLINK("http://x.example","?")', birth_place => '+1+1',
        employer => "\t=1+1",
    );
    my %line = (street => '-2+3', complement => '@SUM(1)', locality => '＝1+1',
        hosted_by => qq{Dit "Jo"; l'autre\r\nà côté});
    my $set = sub {
        my (%v) = @_;
        join ', ', map { "$_ = '" . $v{$_} =~ s/'/''/gr . "'" } sort keys %v;
    };

    utf8::encode($_) for my $sql = "update portal.guardian set " . $set->(%typed)
        . " where first_name = 'Camille' and tenant = 1; update portal.address set "
        . $set->(%line) . " where guardian_id = (select id from portal.guardian
        where first_name = 'Camille' and tenant = 1)";
    $portal->psql($sql);

    my $r = $h->get('/mes-donnees.csv');
    my @cells = parsed($r);
    my $base = sub { value(\@cells, 'Informations de base', 'Camille Martin', $_[0]) };
    my $address = sub { value(\@cells, 'Adresse', 'Camille Martin', $_[0]) };

    is $base->('Profession'), "'$typed{profession}", 'T197 =';
    is $base->('Lieu de naissance'), "'+1+1", 'T197 +';
    is $base->('Employeur'), "'\t=1+1", 'T197 TAB';
    is $address->('Nom de la rue ou de la voie'), "'-2+3", 'T197 -';
    is $address->('Complément'), q{'@SUM(1)}, 'T197 @';
    is $address->('Lieu-dit'), "'＝1+1", 'T197 full width';
    is $address->('Hébergé par'), $line{hosted_by}, 'quotes, semicolons and lines stay';
    is_deeply [map { grep { /^\s*[=+\-@\t\r\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]/ } @$_ } @cells],
        [], 'T197 no cell begins as a formula';
    is +(grep { $_->{of}{self} } @{ $j->get('/mes-donnees')->json->{families}[0]{guardians} })[0]
        {of}{profession}, $typed{profession}, 'JSON says it as it is';
}


### what does not open: the rest is there

{
    expect_complaint(qr/a sealed value does not open|answered 500/);
    my ($camille) = map { $_->[0] } $portal->psql("select id from portal.guardian
        where first_name = 'Camille' and tenant = 1");
    my ($nina) = map { $_->[0] } $portal->psql("select id from portal.child
        where first_name = 'Nina' and tenant = 1");
    my $whole = $j->get('/mes-donnees')->json;
    # each has what was sealed for another place
    $portal->psql("update portal.health h set allergies = o.allergies, notes = o.allergies
        from (select max(coalesce(allergies, treatment, notes)) as allergies
        from portal.health where child_id <> $nina) o where h.child_id = $nina");
    $portal->psql("update portal.tax set tax_number = notice_reference where guardian_id = $camille");

    my $at = sub {
        my ($doc, $path) = @_;
        for my $name (split m{/}, substr $path, 1) {
            $doc = ref $doc eq 'ARRAY' ? $doc->[$name] : exists $doc->{$name} ? $doc->{$name} : 'none';
        }
        return $doc;
    };
    my $r = $j->get('/mes-donnees');
    is $r->status, 200, 'JSON: the rest is there';
    my $doc = $r->json;
    is scalar @{ $doc->{unreadable} }, 3, 'JSON: which are not' or diag explain $doc->{unreadable};
    is $at->($doc, $_), undef, "JSON: $_ is null" for @{ $doc->{unreadable} };
    is join(' ', sort @{ $doc->{unreadable} }), join(' ', map { "/families/0/$_" }
        'children/1/of/health/allergies', 'children/1/of/health/notes', 'guardians/0/of/tax/tax_number'),
        'JSON: by their places';
    is $doc->{families}[0]{children}[1]{person}, 'Nina Martin', 'who it is';
    my ($of, $was) = map { $_->{families}[0]{guardians}[0]{of}{tax} } $doc, $whole;
    is_deeply { %$of, tax_number => 0 }, { %$was, tax_number => 0 }, 'JSON: the other sealed values are opened';
    unlike $r->content, qr/\$sealed|\$unreadable/, 'nothing of the machinery';

    my $said = qr/Cette information est enregistrée, mais ne peut pas être lue\. Signalez-le au service\./;
    $r = $h->get('/mes-donnees');
    is $r->status, 200, 'HTML: the rest is there';
    like $r->text, qr/Numéro fiscal $said Référence de l’avis d’impôt \Q$was->{notice_reference}\E/, 'a sentence in its place'
        or diag $r->text =~ /(Numéro fiscal.{200})/;
    is scalar(() = $r->text =~ /$said/g), 3, 'in each';
    like $r->text, qr/Opérations/, 'to the end';
    my @cells = parsed($h->get('/mes-donnees.csv'));
    like value(\@cells, 'Informations fiscales', 'Camille Martin', 'Numéro fiscal'), $said, 'CSV: as well';
    $portal->psql("update portal.account set lang = 'en' where email = '$people{camille}{email}'");
    my $english = in('camille')->get('/mes-donnees')->text;
    like $english, qr/recorded, but cannot be read\. Please tell the office/, 'in the language of the page';
    like $english, qr/My sign-ins.*Another browser or application.*Recognised devices/s, 'connections, too';
    $portal->psql("update portal.account set lang = 'fr' where email = '$people{camille}{email}'");

    # where something could be saved over it nothing is shown
    for my $path ("/famille/responsables/$camille", "/famille/responsables/$camille/fiscales", '/famille') {
        is $_->get($path)->status, 500, "$path is refused, as it was" for $h, $j;
    }
    like slurp($portal->nginx->error_log), qr/\[alert\].*a sealed value does not open.*mes-donnees/, 'the log tells';
}


### mails, links, and what is over

{
    my $c = client(source => '127.0.8.1');
    my ($person) = sign_up($c);
    confirm($c, $person);

    my $j = client(json => 1);
    $j->{cookies} = $c->{cookies};
    my $data = $j->get('/mes-donnees')->json;
    is_deeply [map { $_->{mail} } @{ $data->{mails} }], ['confirm'], 'the mails: what';
    like $data->{mails}[0]{created_at}, qr/^20\d\d-\d\d-\d\dT/, 'and when';
    is scalar @{ $data->{links} }, 1, 'the link';
    ok $data->{links}[0]{used_at}, 'which was used';
    is_deeply [map { scalar @{ $data->{$_} } } qw(subscriptions codes families)], [0, 0, 0],
        'no family yet';
    like $c->get('/mes-donnees')->text, qr/Mes abonnements Rien n’est enregistré\./,
        'the page says so';
    ok parsed($c->get('/mes-donnees.csv')) > 10, 'a file of it';
    is_deeply [grep { index(JSON::PP->new->encode($_), $person->{email}) >= 0 }
        @{ $json->json->{mails} }], [], 'others do not see them';

    my ($p) = (subscribe($c, free_code(town => 'saint-aubin')->{code}, $person));
    $data = $j->get('/mes-donnees', headers => { Cookie => join '; ',
        map { "$_=$c->{cookies}{$_}" } keys %{ $c->{cookies} } })->json;
    is scalar @{ $data->{families} }, 1, 'a family';
    is scalar @{ $data->{codes} }, 1, 'by a code';
    $portal->psql("insert into portal.code (tenant, family_id, guardian_id, mac, issued_at, expires_at, revoked_at)
        select tenant, family_id, guardian_id, sha256(mac), issued_at - interval '1 day', expires_at, issued_at
        from portal.code where used_by = $data->{account}{id}");
    is join(' ', map { defined $_->{revoked_at} ? 'revoked' : 'used' } @{ $j->get('/mes-donnees', headers => { Cookie => join '; ',
        map { "$_=$c->{cookies}{$_}" } keys %{ $c->{cookies} } })->json->{codes} }), 'used revoked',
        'one that was made for them and taken back is told, too';

    my $page = $c->get('/mes-abonnements');
    my ($leave) = grep { m{/resiliation$} } keys %{ $page->links };
    $c->submit($c->get($leave), {}, form => $leave);
    my $text = $c->get('/mes-donnees')->text;
    like $text, qr/Mes abonnements Numéro de famille \d+ .* Fin \d/, 'a subscription that ended';
    unlike $text, qr/Le dossier de la ville, tel que/, 'shows its family no more';
}


### devices, and mails to an address of before

{
    my $who = new_account();
    my ($c, $d) = (client(source => '127.0.8.2'), client(source => '127.0.8.3'));
    sign_in($_, $who) for $c, $d;
    my $new = sprintf 'elsewhere.%d@parents.example', $$;
    my $page = $c->get('/mon-compte/adresse');
    $c->submit($page, { email => $new, current_password => $who->{password} });
    my $data = sub {
        my ($who) = @_;
        my $j = client(json => 1);
        $j->{cookies} = $who->{cookies};
        return $j->get('/mes-donnees')->json;
    };
    my $listed = sub {
        return join ' ', sort map { $_->{mail} . ($_->{other_address} ? '*' : '') }
            @{ $data->($_[0])->{mails} };
    };

    is scalar @{ $data->($c)->{devices} }, 2, 'two devices';
    like $data->($c)->{devices}[0]{$_}, qr/^20\d\d-\d\d-\d\dT/, "its $_" for qw(first_at last_at);
    like $c->get('/mes-donnees')->text,
        qr/Appareils reconnus .* Première connexion Dernière connexion \d/, 'HTML: the devices';
    my @rows = parsed($c->get('/mes-donnees.csv'));
    is scalar(grep { $_->[0] eq 'Appareils reconnus' } @rows), 2, 'CSV: the devices';

    # whose an address is that was only asked for, nobody is told
    is $listed->($c), 'address_asked new_device', 'before the change';
    my $link = letter($new, 'address_confirm')->{link};
    $c->submit($c->get($link), {});
    is $listed->($c), 'address_asked* address_changed address_confirm address_left* new_device*',
        'after it those to the old address, too';
    like $c->get('/mes-donnees')->text,
        qr/\(à une autre adresse que celle d’aujourd’hui\)/, 'HTML: which they are';
    @rows = parsed($c->get('/mes-donnees.csv'));
    is scalar(grep { $_->[4] eq 'à une autre adresse que celle d’aujourd’hui' } @rows), 3,
        'CSV: which they are';

    # who has the old address now gets nothing of it, nor the other way round
    my $next = new_account(email => $who->{email});
    $portal->psql("update portal.account set signed_up_at = clock_timestamp()
        where id = $next->{id}");
    my $e = client(source => '127.0.8.4');
    sign_in($e, $next);
    is $listed->($e), '', 'whoever takes that address sees none of them';
    sign_in(client(source => '127.0.8.5'), $next);
    is $listed->($e), 'new_device', 'but their own';
    is $listed->($c), 'address_asked* address_changed address_confirm address_left* new_device*',
        'which who had it before does not see';

    like client()->get('/donnees-personnelles')->text,
        qr/Appareils reconnus 90 jours sans connexion/, 'how long devices are kept is said';
}


### all that there is: each table, and each column of the person's and the family's

{
    my $doc = $j->get('/mes-donnees')->json;
    my %of = map { $_ => $doc->{families}[0]{$_}[0]{of} } qw(guardians children);
    my ($me) = grep { $_->{of}{self} } @{ $doc->{families}[0]{guardians} };
    my ($met) = grep { @{ $_->{of}{contacts} } } @{ $doc->{families}[0]{children} };
    my $own = $me->{of};
    my $child = $met->{of};
    my %told = (account => $doc->{account}, subscription => $doc->{subscriptions}[0], code => $doc->{codes}[0],
        session => $doc->{connections}[0], device => $doc->{devices}[0], guardian => $own,
        address => { %{ $own->{address} }, %{ $me->{address_codes} } }, tax => $own->{tax}, bank => $own->{bank}, child => $child,
        health => $child->{health}, insurance => $child->{insurance}, schooling => $child->{school},
        authorisation => $child->{authorisations}[0], contact => $child->{contacts}[0]);
    # what the machine alone needs, and what another part of the page says
    my %not = (account => 'email_mac password_hash epoch state browser_mac last_family_id closed_at search_email',
        subscription => 'id account_id family_id guardian_id code_id', code => 'id family_id guardian_id mac seal_id copy used_by lot_id printable',
        session => 'hash account_id epoch absolute_until renewed_as', device => 'account_id mac epoch',
        guardian => 'family_id seal_id search search_first search_birth search_email external_id stranger_since',
        address => 'guardian_id family_id', tax => 'guardian_id family_id caf_mac tax_number_mac notice_reference_mac reference_income_mac',
        bank => 'guardian_id family_id iban iban_mac', child => 'seal_id search search_first external_id left_at',
        health => 'child_id allergies_mac allergy_action_mac treatment_mac notes_mac', insurance => 'child_id', schooling => 'child_id',
        authorisation => 'child_id text_id answered_on guardian_id', contact => 'family_id child_id');
    for my $table (sort keys %told) {
        my %key = map { $_ => 1 } 'tenant', keys %{ $told{$table} }, split ' ', $not{$table};
        is join(' ', grep { !$key{$_} } map { $_->[0] } $portal->psql("select attname from pg_attribute
            where attrelid = 'portal.$table'::regclass and attnum > 0 and not attisdropped order by attnum")), '',
            "each column of $table is told, or known not to be";
    }

    my %why = (
        told => join(' ', sort keys %told) . ' verification family family_note family_document child_family child_photo child_pai
            change change_set change_item change_event authorisation_text upload upload_piece outbox token audit',
        machine => 'subscription_past attempt captcha_used idempotency audit_erased job migration setting field section visibility',
        others => 'collect_ban code_bar agent agent_former agent_device agent_recovery agent_session agent_token machine
            mass_export elimination elimination_item code_order letter_lot retention_run webhook webhook_attempt webhook_message',
        undecided => 'import import_conflict import_file import_key import_line import_piece import_removed removed',
        town => 'town month_figure town_rule town_number town_theme logo field_policy refusal school section_document',
    );
    my %known = map { $_ => 1 } map { split } values %why;
    my @tables = map { $_->[0] } $portal->psql("select relname from pg_class
        where relnamespace = 'portal'::regnamespace and relkind = 'r' order by 1");
    is join(' ', grep { !$known{$_} } @tables), '', 'each table is told, or known not to be';
    like $h->get('/mes-donnees')->text, qr/Ce qui n’est pas montré ici .*ne doit pas venir le chercher.*demandez-le au service/,
        'and what is not is said';
}


### what is told has words

{
    my $fr = JSON::PP->new->utf8->decode(slurp(top() . '/src/lang/fr.json'));
    my %sql;

    for my $file (glob top() . '/sql/functions/*.sql') {
        my $text = slurp($file);
        $sql{action}{ $1 // 'sign_in' } = $sql{outcome}{$2} = 1
            while $text =~ /note\((?:'(\w+)'|\w+),\s*'(\w+)'/g;
        $sql{mail}{$1} = 1 while $text =~ /post\([^;]*?'([a-z]+(?:_[a-z]+)*)',\s*\w+\.?lang/g;
    }
    ok keys %{ $sql{action} } > 8, 'actions were found';
    for my $list (sort keys %sql) {
        is join(' ', grep { !$fr->{list}{$list}{$_} } sort keys %{ $sql{$list} }), '',
            "each $list has a word for people";
    }
}

done_testing;
