#!/usr/bin/perl

# T079: who may do what, everywhere.  Every location of pages.inc and agents.inc,
# for everybody, GET and POST, against t/matrix.tsv.  A location that the table
# does not name fails, as does a line of the table that is no location.
#
#     perl -It/lib t/matrix.t --write      # prints the table as the portal is now

use strict;
use warnings;
use utf8;

use Portal::Declared qw(forms locations);
use Portal::Place qw(slurp);
use Portal::Test;

my $write = grep { $_ eq '--write' } @ARGV;
my @WHO = qw(nobody unlinked parent partner stranger elsewhere
    reader validator agent_elsewhere);
my $portal = portal();


### what there is

my $form = forms();
my (%place, @places);

for my $host (qw(pages agents)) {
    for my $location (map { locations($_) } $host, qw(errors policy)) {
        my ($act) = map { [split] } $location->{body} =~ /portal_(?:post|verify)\s+([^;]*);/;
        my $acts = $act ? $form->{ $act->[$location->{body} =~ /portal_verify/ ? 2 : 1] } : {};
        die "$location->{path}: no form\n" if !$acts;

        # the same with its end and without; "location /" is all else
        for my $end ('', grep { defined } $location->{open}) {
            my $path = $location->{exact} ? "$location->{path}$end" : '/...';
            push @places, $place{"$host $path"} = { key => "$host $path", host => $host,
                path => $path, form => $acts };
        }
    }
}


### the table: host, path, method, and a status for each of @WHO

my %table;

if (!$write) {
    for my $line (split /\n/, slurp(top() . '/t/matrix.tsv')) {
        next if $line =~ /^#|^$/;
        my ($host, $path, $method, @status) = split /\t/, $line;
        my $key = "$host $path";
        is scalar @status, scalar @WHO, "$key $method: a status for each";
        ok !$table{$key}{$method}, "$key $method: there once";
        @{ $table{$key}{$method} }{@WHO} = @status;
    }
    is join(', ', grep { !$table{$_}{GET} || !$table{$_}{POST} } sort keys %place), '',
        'no location is missing in t/matrix.tsv';
    is join(', ', grep { !$place{$_} } sort keys %table), '', 'and none that is no more';
}


### who there is

my %person = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my $reader = new_agent(role => 'reader', name => 'Rémi Lecteur');
my %of = (
    unlinked => $person{ines}, parent => $person{camille}, partner => $person{julien}, stranger => $person{sophie}, elsewhere => $person{juliette},
    reader => $reader, validator => agent(), agent_elsewhere => agent('validator', 'beaulieu'),
);
my %in;         # name => host => { c, cookies }

sub let_in {
    my ($who) = @_;

    my $is_agent = $who =~ /reader|validator|agent/;
    my $town = $of{$who} ? $of{$who}{town} : 'saint-aubin';
    my $in = client(town => $town, agents => $is_agent ? 1 : 0, source => '127.0.31.1');

    if ($is_agent)     { log_in_agent($in, $of{$who}) }
    elsif ($of{$who})  { sign_in($in, $of{$who}) }
    my $value = $in->cookie($is_agent ? '__Host-agent' : '__Host-portal');
    ok $value, "$who is in" if $of{$who};

    for my $host (qw(pages agents)) {
        for my $json (0, 1) {
            my $c = client(town => $town, json => $json, agents => $host eq 'agents',
                source => '127.0.31.1');
            my $own = $is_agent == ($host eq 'agents');

            # at the other host the session comes under both names
            $in{$who}{$host}{$json} = { c => $c, kept => $own ? $in->cookies : undef,
                cookies => $own || !$value ? {}
                : { '__Host-agent' => $value, '__Host-portal' => $value } };
        }
    }
}

# as the client of that name, with the session that it has
sub as {
    my ($who, $host, $json) = @_;

    my $in = $in{$who}{$host}{$json};
    $in->{c}{cookies} = $in->{kept} // { %{ $in->{c}{cookies} }, %{ $in->{cookies} } };

    return $in->{c};
}

let_in($_) for @WHO;


### what the parent's family has

my $camille = as('parent', 'pages', 1);
my %id = map { @$_ } $portal->psql("select 'responsable', g.id from portal.guardian g
    join portal.account a on a.email = '$of{parent}{email}'
    join portal.subscription s on s.guardian_id = g.id and s.account_id = a.id
    union all select 'abonnement', s.id from portal.subscription s
    join portal.account a on a.id = s.account_id and a.email = '$of{parent}{email}'
    union all (select 'enfant', k.child_id from portal.contact k join portal.family f
    on f.id = k.family_id where f.number = '104201' order by k.id limit 1)
    union all (select 'contact', k.id from portal.contact k join portal.family f
    on f.id = k.family_id where f.number = '104201' order by k.id limit 1)
    union all select 'compte', max(a.id) from portal.agent a where a.tenant = 1
    union all select 'famille', f.id from portal.family f where f.number = '104201'");

my %asked = (
    change => ["/famille/responsables/$id{responsable}/adresse", { street => 'rue des Lilas' }],
    guardian => ['/famille/responsables/ajout', { last_name => 'Petit', first_name => 'Rose',
        link => 'other' }],
    child => ['/famille/enfants/ajout', { last_name => 'Petit', first_name => 'Rose',
        birth_date => '2020-05-06' }],
    contact => ["/famille/enfants/$id{enfant}/contacts/nouveau", { last_name => 'Petit',
        first_name => 'Rose', link => 'friend', phone_mobile => '06 39 98 00 01',
        collect => 'no', emergency => 'yes' }],
);
my %request;

# a photo that the file has, another one that is asked for, and a document
{
    my $path = "/famille/enfants/$id{enfant}/photo";
    my ($first) = send_file($camille, $path, {}, photo => grey(200))->json->{location} =~ m{(\d+)};
    my $desk = as('validator', 'agents', 1);
    my $doc = $desk->get("/demandes/$first")->json;
    is $desk->post("/demandes/$first", { csrf => $doc->{csrf}, version => $doc->{version},
        step => 'accept' })->status, 200, 'a photo is in the file';
    my ($plan) = send_file($camille, "/famille/enfants/$id{enfant}/sante", { pai => 'yes' },
        document => "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n")->json->{location} =~ m{(\d+)};
    $doc = $desk->get("/demandes/$plan")->json;
    is $desk->post("/demandes/$plan", { csrf => $doc->{csrf}, version => $doc->{version},
        step => 'accept' })->status, 200, 'and the document of a plan';
    ($request{photo}) = send_file($camille, $path, {}, photo => grey(90))->json->{location} =~ m{(\d+)};
}
$id{numero} = 1;
@id{qw(import conflit bordereau export fichier)} = (1, 1, 1, 1, 'familles.csv');     # for administrators, and machines
$id{lot} = $portal->psql('select min(number) from portal.letter_lot where tenant = 1');
@id{qw(rubrique motif autorisation ecole adresse)} = qw(base unreadable transport 1 1);

# a logo that everybody has seen
@id{qw(logo genre)} = (scalar $portal->psql("insert into portal.logo (tenant, hash, sent_as, kind, width, height, bytes, sent_by)
    select 1, encode(sha256('logo'), 'hex'), gen_random_uuid(), 'png', 8, 8, 'logo', min(id)
      from portal.agent where tenant = 1
    returning hash"), 'png');
$portal->psql("insert into portal.town_theme (tenant, state, theme, logo)
    select id, 'former', theme, '/logo/$id{logo}.png' from portal.town where id = 1");
@id{qw(demandeur moyen)} = ($id{responsable}, 'piece');     # at the counter, for the parent

$portal->psql("insert into portal.family_note (tenant, family_id, text, written_by) select 1, $id{famille}, 'Une note.', min(a.id)
    from portal.agent a where a.tenant = 1");
$id{note} = $portal->psql('select max(id) from portal.family_note');

# a ban that an agent has recorded
{
    my ($report) = json_post($camille, "/famille/enfants/$id{enfant}/contacts/interdiction",
        { comment => 'Un jugement.' })->json->{location} =~ m{(\d+)};
    my $desk = as('validator', 'agents', 1);
    my $doc = $desk->get("/demandes/$report")->json;
    is $desk->post("/demandes/$report", { csrf => $doc->{csrf}, version => $doc->{version},
        step => 'accept' })->status, 200, 'a ban is recorded';
    $id{interdiction} = $desk->get('/interdictions')->json->{bans}[0]{id};
}

for my $what (sort keys %asked) {
    my ($path, $fields) = @{ $asked{$what} };
    my $r = $what eq 'change' ? send_file($camille, $path, $fields, document => "%PDF-1.4\n%%EOF\n")
        : json_post($camille, $path, $fields);
    ($request{$what}) = ($r->json->{location} // '') =~ m{/demandes/(\d+)};
    ok $request{$what}, "asked for: $what" or diag $r->content;
}

sub path_of {
    my ($place) = @_;

    my $which = $place->{path} =~ m{responsables/ajout} ? 'guardian'
        : $place->{path} =~ m{enfants/ajout} ? 'child'
        : $place->{path} =~ m{contacts/nouveau} ? 'contact'
        : $place->{path} =~ m{demandes/.*photo} ? 'photo' : 'change';

    return '/rien-de-tel' if $place->{path} eq '/...';
    return $place->{path} =~ s/\{(\w+)\}/$1 eq 'demande' ? $request{$which}
        : $id{$1} \/\/ die "no id $1\n"/ger;
}

# enough for the form, so that what answers is who may; where a version can be
# named a wrong one is, so that nothing is done
sub post_of {
    my ($place) = @_;

    my $path = $place->{path};
    my %fields = $path =~ m{/(?:retrait|interdiction)$} ? (comment => 'Parce que.')
        : $path =~ m{famille/verification$} ? (block => "enfant-$id{enfant}", version => 'x')
        : $path =~ m{verification/rappels} ? (reminders => 'yes')
        : $path eq '/exports' ? (wanted => 'journal', reason => 'Parce que.')
        : $path =~ m{^/exports/} ? (step => 'cancel')
        : $path =~ m{^/eliminations/} ? (step => 'cancel', version => 'x')
        : $path eq '/inscription/renvoi' ? (email => 'nobody.knows@exemple.fr')
        : $path =~ m{famille/choix} ? (family => 0 + $portal->psql(
            "select id from portal.family where number = '104201'"))
        : $place->{host} eq 'agents' && $path =~ /demandes/ ? (step => 'accept')
        : $path eq '/agents' ? (first_name => 'A', last_name => 'B', email => 'a@b.example', role => 'reader')
        : $path =~ m{^/agents/} ? (step => 'disable')
        : $path =~ m{^/familles/\{famille\}$} ? (text => 'Une note.')
        : $path =~ m{^/familles$} ? (search => 'Martin')
        : $place->{host} eq 'agents' && $path =~ /interdictions/ ? (reason => 'Parce que.')
        : $path eq '/imports' ? (dry => 'yes')
        : $path =~ m{^/imports/\{} ? (act => 'cancel')
        : $path =~ m{^/imports/conflits/} ? (act => 'keep')
        : $path eq '/recopie' ? (change => 987654)
        : $path eq '/refus' ? (change => 987654, act => 'resend')
        : $path eq '/reglages/autorisations/ajout' ? (title_fr => 'A', words_fr => 'B.', version => 'x')
        : $path =~ m{^/reglages/autorisations/.*/liste$} ? (step => 'withdraw', version => 'x')
        : $path eq '/reglages/logiciel' ? (url => 'https://logiciel.example/', webhook_events => 'both')
        : $path =~ m{^/reglages/logiciel/} ? (step => 'test')
        : $path eq '/codes' ? (step => 'all')
        : $path =~ m{^/codes/responsables/} ? (step => 'issue')
        : ();

    return (\%fields, $place->{form}{versioned} ? ('If-Match' => '"0"') : ());
}


### all of it

# what no refused request may touch, with the transaction that wrote it
sub rows {
    return join ' ', map { my $table = $_; scalar $portal->psql("select '$table ' ||
        coalesce(md5(string_agg(t.xmin || t::text, ',' order by t::text)), '')
        from portal.$table t") } qw(family guardian address tax bank child health
        authorisation contact child_family change_set change_item subscription
        collect_ban code letter_lot code_order code_bar);
}

my $rows = rows();
my %got;

# what ends a session comes last
for my $place (sort { ($a->{path} =~ m{^/deconnexion}) <=> ($b->{path} =~ m{^/deconnexion}) }
    @places)
{
    my $path = path_of($place);

    for my $who (@WHO) {
        my $c = as($who, $place->{host}, 1);
        my $want = $table{ $place->{key} };
        my $r = $c->get($path);
        my $what = "T079 $place->{key} $who";

        $got{ $place->{key} }{GET}{$who} = $r->status;
        if (!$write) {
            is $r->status, $want->{GET}{$who}, "$what: GET" or diag $r->content;

            # a page says the same, or leads to where it can be mended
            my $page = as($who, $place->{host}, 0)->get($path);
            # (the log-in leads whoever is in past it)
            my $is = $page->status == 303
                ? { '/connexion' => 401, '/mes-abonnements' => 403, '/connexion/confirmation' => 403,
                    ($place->{path} eq '/connexion' ? ('/mon-espace' => 200, '/' => 200) : ()) }
                    ->{ ($page->location // '') =~ s/\?.*//r } // $page->location
                : $page->status;
            is $is, $r->status, "$what: GET of the page";
        }

        my ($fields, %headers) = post_of($place);
        $c = as($who, $place->{host}, 1);
        $headers{'X-CSRF-Token'} = $c->get('/session')->json->{csrf};
        $c = as($who, $place->{host}, 1);
        $r = $c->post($path, $fields, headers => \%headers);
        $got{ $place->{key} }{POST}{$who} = $r->status;
        next if $write;
        is $r->status, $want->{POST}{$who}, "$what: POST" or diag $r->content;
        next if $place->{path} !~ /\{/ || $who =~ /^(?:parent|partner|validator)$/
            || $r->status < 400;

        # T080: as a form, too, and nothing of it
        $c = as($who, $place->{host}, 0);
        my $csrf = as($who, $place->{host}, 1)->get('/session')->json->{csrf};
        $r = $c->post($path, { %$fields, csrf => $csrf }, headers => \%headers);
        cmp_ok $r->status, '>', 300, "T080 $place->{key} $who: a form is refused";
        unlike $r->content, qr/Camille|Julien|Lilas/, "T080 $place->{key} $who: nothing of it";
    }
}

if ($write) {
    binmode STDOUT, ':encoding(UTF-8)';
    for my $place (@places) {
        for my $method (qw(GET POST)) {
            print join("\t", $place->{host}, $place->{path}, $method,
                map { $got{ $place->{key} }{$method}{$_} } @WHO), "\n";
        }
    }
    exit 0;
}

is rows(), $rows, 'T080 nobody has changed a row of a family, nor has a wrong version';

done_testing;
