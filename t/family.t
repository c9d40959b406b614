#!/usr/bin/perl

# The family file: who sees what of whom, in JSON and in HTML, and that nothing
# of another family can be had.

use strict;
use warnings;
use utf8;

use Portal::Fault;
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

# what only its owner may see of a guardian, opened
sub secrets {
    my ($first) = @_;

    my ($g) = $portal->psql("select g.id, g.seal_id, t.tax_number, t.notice_reference,
        t.reference_income, t.caf_number, b.iban, b.iban_last4
        from portal.guardian g left join portal.tax t on t.guardian_id = g.id
        left join portal.bank b on b.guardian_id = g.id
        where g.first_name = '$first' and g.tenant = 1");
    my ($id, $seal, @sealed) = @$g;
    my $last4 = pop @sealed;
    my %open = (id => $id, last4 => $last4);

    for my $field (qw(tax_number notice_reference reference_income caf_number iban)) {
        my $value = shift @sealed or next;
        $open{$field} = tool("open\tsaint-aubin\tguardian\t$seal\t$field\t$value");
    }

    return \%open;
}


### one's own, and the other guardian's of the family

my $h = in('camille');
my $j = in('camille', json => 1);
my ($own, $other) = (secrets('Camille'), secrets('Julien'));
ok $own->{iban} && $own->{tax_number} && $other->{iban} && $other->{tax_number},
    'both have something to hide';
isnt $own->{tax_number}, $other->{tax_number}, 'each their own';

my $file = $j->get('/famille');
my $html = $h->get('/famille');
my %g = map { $_->{first_name} => $_ } @{ $file->json->{guardians} };
ok $g{Camille}{self} && !$g{Julien}{self}, 'who I am among them';
is $g{Camille}{tax}{tax_number}, $own->{tax_number}, 'own tax number, opened';
is $g{Camille}{tax}{$_}, $own->{$_}, "own $_" for qw(notice_reference
    reference_income caf_number);
is $g{Camille}{bank}{iban_last4}, $own->{last4}, 'own IBAN: the last four';
{
    # as people write it, in their language; a spreadsheet computes with digits
    my $income = $own->{reference_income};
    my $text = Encode::decode('UTF-8', $h->get("/famille/responsables/$own->{id}")->content);
    my $french = $income =~ s/(\d)(?=(?:\d{3})+$)/$1\x{202f}/gr;
    like $text, qr{Revenu fiscal de référence</dt><dd>\Q$french\E\x{a0}€</dd>}, 'own income, in French';
    my $page = $h->submit($h->get('/langue'), { lang => 'en' }, form => '/langue#');
    $text = Encode::decode('UTF-8', $h->get("/famille/responsables/$own->{id}")->content);
    my $english = $income =~ s/(\d)(?=(?:\d{3})+$)/$1,/gr;
    like $text, qr{<dd>€\Q$english\E</dd>}, 'and in English';
    $h->submit($h->get('/langue'), { lang => 'fr' }, form => '/langue#');
    like Encode::decode('UTF-8', $h->get('/mes-donnees.csv')->content),
        qr/"Revenu fiscal de référence, en euros";"$income"/, 'CSV: digits';
}
ok exists $g{Julien}{tax} && !defined $g{Julien}{tax}, 'not the other\'s tax';
ok exists $g{Julien}{bank} && !defined $g{Julien}{bank}, 'not the other\'s bank';
ok !$g{Julien}{tax_visible} && !$g{Julien}{bank_visible}, 'and it is told';
ok defined $g{Julien}{$_}, "T085 the other's $_: within the family" for
    qw(email phone_mobile birth_date address profession);
is_deeply [sort keys %{ $g{Julien} }], [sort keys %{ $g{Camille} }],
    'the same keys, whatever may be seen';

for my $r ($file, $html, map { ($h->get($_), $j->get($_)) }
    map { "/famille/responsables/$_->{id}" } $own, $other)
{
    my $what = ($r->header('content-type') =~ /json/ ? 'JSON ' : 'HTML ') . $r->{path};
    is $r->status, 200, $what;
    unlike $r->content, qr/\Q$other->{$_}/, "$what: nothing of the other's $_"
        for qw(tax_number notice_reference caf_number iban);
    unlike $r->content, qr/\Q$own->{iban}/, "$what: no IBAN whole";
    unlike $r->content =~ s/\s|&nbsp;|\xc2\xa0//gr, qr/FR\d{8}/, "$what: nor a part";
    unlike $r->content, qr/\$sealed|\$seal/, "$what: nothing sealed";
    unlike $r->content, qr/seal_id|password_hash|_mac\b/, "$what: nothing of the machinery";
}
my $page = $h->get("/famille/responsables/$own->{id}");
like $page->text, qr/\Q$own->{tax_number}/, 'HTML: the own tax number';
like $page->text, qr/se termine par \Q$own->{last4}/, 'HTML: IBAN by its last four';
$page = $h->get("/famille/responsables/$other->{id}");
like $page->text, qr/Pays France/, 'a country has a name';
like $page->text, qr/Ces informations sont personnelles/, 'HTML: says that it is private';
like $page->text, qr/julien\.martin\@exemple\.fr/, 'HTML: basic information shown';
is $j->get("/famille/responsables/$other->{id}")->json->{guardian}{tax}, undef,
    'JSON: a guardian alone is the same';

# the town may share
$portal->psql("update portal.town set shared_groups = '{guardian_tax}' where id = 1");
my $shared = $j->get("/famille/responsables/$other->{id}")->json->{guardian};
is $shared->{tax}{tax_number}, $other->{tax_number}, 'a town that shares tax';
is $shared->{bank}, undef, 'shares nothing else';
$portal->psql("update portal.town set shared_groups = '{}' where id = 1");


### a child of two families: T085

my $sj = in('sophie', json => 1);
my $sh = in('sophie');
my $hers = $sj->get('/famille')->json;
my ($hugo) = grep { $_->{first_name} eq 'Hugo' } @{ $hers->{children} };
ok $hugo->{shared}, 'Hugo is in another family too';
is_deeply [map { $_->{first_name} } @{ $hugo->{other_guardians} }], ['Thomas', 'Léa'],
    'its guardians';
is_deeply [sort keys %{ $hugo->{other_guardians}[0] }],
    [sort qw(first_name last_name link authority)], 'T085 name, link and authority only';
my ($thomas) = $portal->psql("select g.id, g.email, g.phone_mobile, a.street, g.birth_date
    from portal.guardian g join portal.address a on a.guardian_id = g.id
    where g.first_name = 'Thomas' and g.last_name = 'Moreau'");
my @pages = ($sj->get('/famille'), $sh->get('/famille'),
    map { ($sj->get("/famille/enfants/$_->{id}"), $sh->get("/famille/enfants/$_->{id}")) }
    @{ $hers->{children} });
for my $r (@pages) {
    is $r->status, 200, $r->{path};
    for my $hidden (@$thomas[1, 2, 3, 4]) {
        my $bytes = Encode::encode('UTF-8', Encode::decode('UTF-8', $hidden));
        unlike $r->content, qr/\Q$bytes/, 'T085 nothing else of the other household';
    }
    unlike $r->content, qr{/famille/responsables/$thomas->[0]\b}, 'nor a link to it';
}
my $contacts = $portal->psql("select string_agg(o.id::text, ',' order by o.id)
    from portal.contact o join portal.child c on c.id = o.child_id
    join portal.family f on f.id = o.family_id
    where c.first_name = 'Hugo' and f.number = '104202'");
is join(',', sort { $a <=> $b } map { $_->{id} } @{ $hugo->{contacts} }), $contacts // '',
    'T085 contacts are those of this household';
unlike $sh->get('/famille')->text, qr/\bTom Moreau\b/, 'nor the other household\'s child';


### T011, T080: what is not yours is not there

sub masked {
    my ($r) = @_;

    return $r->status . ' ' . $r->content =~ s/name="csrf" value="[^"]*"//gr
        =~ s/"instance":"\w+"//r =~ s{<code>\w+</code>}{}r;
}

my ($child) = $portal->psql("select id from portal.child where first_name = 'Adam'");
my ($elsewhere) = $portal->psql("select id from portal.child where first_name = 'Alice'");
for my $c ($h, $j) {
    my $as = $c->{json} ? 'JSON' : 'HTML';
    my $none = masked($c->get('/famille/enfants/987654321'));
    like $none, qr/^404/, "T011 $as: no such child";
    is masked($c->get("/famille/enfants/$child->[0]")), $none,
        "T011 $as: another family's child: the same bytes";
    is masked($c->get("/famille/enfants/$elsewhere->[0]")), $none,
        "T079 $as: another town's child: the same bytes";
    $none = masked($c->get('/famille/responsables/987654321'));
    is masked($c->get("/famille/responsables/$thomas->[0]")), $none,
        "T011 $as: another family's guardian";
    is masked($c->get("/famille/responsables/$own->{id}?famille=2")) =~ /^200/, 1,
        "T083 $as: a query changes nothing";
    is $c->get("/famille/enfants/$_")->status, 404, "T011 $as: id $_" for
        '0', '999999999999999999', '9999999999999999999', '1x', '-1', '1.0',
        '01/..', '%31%30', '1%0a', '1%00' =~ s/%00//r . '/', '';
}
is $h->get('/famille/enfants/1%00')->status, 400, 'a NUL in the address';
is client()->get('/famille')->location, '/connexion?suite=%2Ffamille', 'nobody known';
is client(json => 1)->get("/famille/enfants/1")->status, 401, 'JSON: nobody known';
is in('ines')->get('/famille')->location, '/mes-abonnements?avis=subscribe_first', 'T079 no family: subscribe';
is in('ines', json => 1)->get('/famille/enfants/1')->status, 403, 'T079 JSON: 403';


### leaving the file: one's own words

{
    my ($ch, $cj) = (in('camille'), in('camille', json => 1));
    my $julien = $portal->psql("select id from portal.guardian where first_name = 'Julien' and tenant = 1");
    my $own = $portal->psql("select id from portal.guardian where first_name = 'Camille' and tenant = 1");
    my %link = map { $_ => $ch->get("/famille/responsables/$_")->links
        ->{"/famille/responsables/$_/retrait"} } $own, $julien;
    is $link{$own}, 'Demander à ne plus figurer dans ce dossier', 'of oneself: one\'s own words';
    is $link{$julien}, 'Demander le retrait de ce responsable du dossier', 'of another: others';
    my %page = map { $_ => $ch->get("/famille/responsables/$_/retrait") } $own, $julien;
    like $page{$own}->title, qr/^Demander à ne plus figurer/, 'so the form is called';
    like $page{$own}->text, qr/vous ne pourrez plus ouvrir ce dossier/, 'which says what follows';
    like $page{$julien}->title, qr/^Retirer un responsable/, 'and of another';
    unlike $page{$_}->text, qr/Il a déménagé|ne pourrez plus.*Julien/, 'no word of a third person' for $own, $julien;
    is_deeply [map { $cj->get("/famille/responsables/$_/retrait")->json->{person}{self} ? 1 : 0 }
        $own, $julien], [1, 0], 'JSON says whose it is';
}


### two families: the switch

{
    my $m = in('monique');
    my $mj = in('monique', json => 1);
    my $page = $m->get('/famille');
    like $page->text, qr/Famille affichée|Choisir la famille/, 'the switch is shown';
    my @families = @{ $mj->get('/famille')->json->{families} };
    is scalar @families, 2, 'two families';
    my ($now) = grep { $_->{current} } @families;
    my ($then) = grep { !$_->{current} } @families;
    is $now->{label}, $then->{label}, 'of the same name';
    like $page->text, qr/\Q$_->{number} · $_->{label}/, "told apart: $_->{number}"
        for @families;
    is_deeply { map { $_->{number} => $_->{first_names} } @families },
        { 104207 => 'Lucas', 104210 => 'Rose' }, 'and by their children';
    like $page->text, qr/\Q$_->{number} · $_->{label} · $_->{first_names}/, "named: $_->{first_names}"
        for @families;
    like $m->get('/mon-espace')->text,
        qr/\Q$now->{number} · $now->{label} · $now->{first_names}/, 'on other pages too';
    is $mj->get('/session')->json->{family}{first_names}, $now->{first_names}, 'JSON of the session';
    my $list = $mj->get('/mes-abonnements')->json->{subscriptions};
    is_deeply { map { $_->{family_number} => $_->{first_names} } @$list },
        { 104207 => 'Lucas', 104210 => 'Rose' }, 'the list of subscriptions names them';
    like $m->get('/mes-abonnements')->text, qr/Enfants \Q$_->{first_names}/, "$_->{first_names} there too"
        for @families;
    like $m->get("/mes-abonnements/$list->[0]{id}/resiliation")->text,
        qr/Enfants \Q$list->[0]{first_names}/, 'and who ends one sees whose it is';
    is in('camille', json => 1)->get('/famille')->json->{families}[0]{first_names}, undef,
        'not where there is nothing to choose';

    my $sid = $m->cookie('__Host-portal');
    my $r = $m->submit($page, { family => $then->{id} }, form => '/famille/choix');
    is $r->status, 303, 'another family chosen' or diag $r->text;
    is $r->location, '/famille?avis=family', 'to its file';
    isnt $m->cookie('__Host-portal'), $sid, 'T053 a new identifier';
    my $old = client();
    $old->cookie('__Host-portal', $sid);
    is $old->get('/famille')->status, 303, 'T053 the old one is dead';
    like $m->get('/famille')->text, qr/Famille n° \Q$then->{number}/, 'the other family';
    is $mj->get('/famille')->json->{family}{number}, $now->{number},
        'another session shows its own still';

    my ($not) = $portal->psql("select id from portal.family where number = '104201'");
    $page = $m->get('/famille');
    is $m->submit($page, { family => $not->[0] }, form => '/famille/choix')->status, 404,
        'T080 a family that is not theirs';
    is $m->submit($page, { family => 987654 }, form => '/famille/choix')->status, 404,
        'T080 one that does not exist';
    like $m->get('/famille')->text, qr/Famille n° \Q$then->{number}/, 'nothing changed';
    $r = json_post($mj, '/famille/choix', { family => $then->{id} }, page => '/famille');
    is $r->status, 200, 'JSON: chosen' or diag $r->content;
    is $mj->get('/famille')->json->{family}{number}, $then->{number}, 'JSON: shown';
    $r = json_post($mj, '/famille/choix', { family => "$then->{id}" }, page => '/famille');
    is $r->status, 422, 'T103 JSON: an id as text';
}


### each subscription leads to its own family

{
    my $m = in('monique');
    my ($now, $then) = map { $_->{family} } sort { $b->{current} <=> $a->{current} }
        @{ in('monique', json => 1)->get('/mes-abonnements')->json->{subscriptions} };
    my $page = $m->get('/mes-abonnements');
    my @open = $page->content =~ m{<a class="([^"]*)" href="/famille">[^<]*Ouvrir le Dossier Famille}g;
    is scalar @open, 1, 'the link leads to the one that is shown';
    my ($look) = $page->content =~ m{<button class="([^"]*)" type="submit" name="family"};
    is $open[0], $look, 'and looks as the button does, so that what stands beside them is level';
    my ($button) = $page->content =~ m{name="family" value="(\d+)">Ouvrir le Dossier Famille};
    is $button, $then, 'a button opens the other one';
    my $r = $m->submit($page, { family => $button }, form => '/famille/choix');
    is $r->location, '/famille?avis=family', 'its file' or diag $r->text;
    ($button) = $m->get('/mes-abonnements')->content =~ m{name="family" value="(\d+)"};
    is $button, $now, 'which is shown from then on';
}


### a form is of the family that its page was of, whatever another tab has chosen

{
    my $m = in('monique');
    my $mj = client(json => 1);
    $mj->{cookies} = $m->{cookies};
    my $asked = sub { $portal->psql("select 1 from portal.change_set where subject like 'Nouvel%'") };
    my $add = '/famille/enfants/ajout';
    my $page = $m->get($add);
    is $page->status, 200, 'a form of one family';
    my ($then) = grep { !$_->{current} } @{ $mj->get('/famille')->json->{families} };
    is $m->submit($m->get('/famille'), { family => $then->{id} }, form => '/famille/choix')
        ->status, 303, 'another one in another tab';

    my @who = (first_name => 'Nouvel', last_name => 'Arrivant', birth_date_day => 2,
               birth_date_month => 3, birth_date_year => 2024, sex => 'm', step => 'send');
    my $r = $m->submit($page, { @who }, form => $add);
    is $r->status, 403, 'the session is another one now' or diag $r->text;

    # scripts put the new session's token into the old page
    $r = $m->submit($page, { @who, csrf => $mj->get('/session')->json->{csrf} },
                    form => $add);
    is $r->status, 409, 'not for the other family with scripts, either' or diag $r->text;
    is scalar(my @none = $asked->()), 0, 'nothing is asked of it';
    like $r->text, qr/\Q$then->{number}/, 'the page says whose it is';
    is $m->submit($r, { step => 'send' }, form => $add)->status, 303,
        'who has read that may send it' or diag $r->text;
    is scalar(my @one = $asked->()), 1, 'once';
}


### T086: a subscription that ends

{
    my $s = in('sophie');
    my $sj = in('sophie', json => 1);
    is $s->get('/famille')->status, 200, 'before';
    $portal->psql("update portal.subscription set ended_at = now() where account_id =
        (select id from portal.account where email = 'sophie.dubois\@exemple.fr')");
    for my $path ('/famille', "/famille/enfants/$hugo->{id}") {
        my $r = $s->get($path);
        is $r->location // $r->status, $r->status == 303 ? '/mes-abonnements?avis=subscribe_first' : 403,
            "T086 $path at once";
        is $sj->get($path)->status, 403, "T086 $path JSON at once";
        unlike $s->get($path)->content, qr/Hugo/, 'and nothing in it';
    }

    # ended from another device: what is for every citizen goes on
    is $s->get($_)->status, 200, "T086 but $_"
        for qw(/ /mon-espace /mes-abonnements /aide /mon-compte);
    is $sj->get('/session')->json->{family}, undef, 'T086 no family is left';

    # the record of the session is told once, then a page is one call again
    my $calls = sub {
        my ($n, $m) = (0, metrics());
        $n += $m->{$_} for grep { /^portal_database_calls_total\{.*pool="pages"/ } keys %$m;
        return $n;
    };
    my $cost = 0;
    ok wait_for(10, sub {
        my $before = $calls->();
        $s->get('/mon-espace');
        ($cost = $calls->() - $before) == 1;
    }), 'T086 a page is one call again' or diag $cost;
    my ($key) = 'sess:' . tool("mac\tsaint-aubin\tsession\t" . $s->cookie('__Host-portal'));
    cmp_ok $portal->redis_cli('TTL', $key), '<=', 43200, 'T086 for as long as before';
    cmp_ok $portal->redis_cli('TTL', $key), '>', 43000, 'T086 and no less';
    is $s->submit($s->get('/mon-espace'), {}, form => '/deconnexion')->status, 303,
        'T086 and the log-out';
    is $s->get('/mon-espace')->status, 303, 'T086 which it is';
}


### T217: sealed values moved elsewhere do not open

{
    expect_complaint(qr/sealed/);
    my ($nina) = $portal->psql("select id from portal.child where first_name = 'Nina'");
    $portal->psql("update portal.health set notes = allergies where child_id = $nina->[0]");
    my $allergy = 'Arachide et fruits à coque';
    for my $c ($h, $j) {
        my $r = $c->get("/famille/enfants/$nina->[0]");
        unlike $r->content, qr/\$sealed/, 'T217 no ciphertext is shown';
        my $times = () = Encode::decode('UTF-8', $r->content) =~ /\Q$allergy/g;
        ok $r->status == 500 || $times <= 2, 'T217 nor the value in another place';
        is $r->status, 500, 'T217 a safe error' or diag $r->content;
    }
}

done_testing;
