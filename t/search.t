#!/usr/bin/perl

# « Rechercher une famille », and a family's file as the town's staff reads it.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $agent = agent_client();
my $desk = as_json($agent);
my $reader = agent_client(json => 1, as => new_agent(role => 'reader', name => 'Rémi Lecteur'));
my %family = map { @$_ } $portal->psql('select number, id from portal.family where tenant = 1');
my $file = "/familles/$family{104201}";
my %child = map { @$_ } $portal->psql("select lower(c.first_name), c.id from portal.child c where c.tenant = 1");

sub row { return scalar $portal->psql($_[0]) }
sub found { return json_post($desk, '/familles', { search => $_[0] }, page => '/session') }
sub numbers { return join ' ', sort map { $_->{number} } @{ found($_[0])->json->{families} } }
sub read_as { return map { "$_->[0] $_->[1] " . ($_->[2] // '') } $portal->psql("select action, outcome,
    object from portal.audit where agent_id is not null and action ~ '^(?:read|search)_' order by id desc limit $_[0]") }
sub forget { $portal->psql("delete from portal.attempt where kind = 'agent_readings'") }


### by what an agent knows

for (['Martin', '104201', 'a name'], ['martin camille', '104201', 'name and first name'],
    ['CAMILLE  Martin', '104201', 'first name in front'], ['Càmille-mart', '104201', 'folded, its beginning'],
    ['Nina', '104201', 'a child\'s first name'], ['nina m', '104201', 'and the beginning of its name'],
    ['104201', '104201', 'the number of the file'], ['1042 01', '104201', 'with a space'],
    ['Personnequin', '', 'nobody'], ["%", undef, 'one sign'], ["Ma%n", '', 'T187 a sign of LIKE'],
    ['M_rtin', '', 'T187 another'], ["' OR 1=1--", '', 'T185 a quote'], ["Mar\\", undef, 'T187 a backslash'])
{
    my ($text, $want, $what) = @$_;
    next if !defined $want && is(found($text)->status, $text =~ /Mar/ ? 200 : 422, "$what: taken as it is");
    is numbers($text), $want, "$what: $text";
}
{
    my ($email, $mobile) = @{ ($portal->psql("select g.email, g.phone_mobile from portal.guardian g
        join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1"))[0] };
    is numbers(uc $email), '104201', 'an address, in whatever case';
    is numbers(substr $email, 0, index($email, '@') + 2), '104201', 'its beginning';
    my $national = $mobile =~ s/^\+33/0/r;
    is numbers($national), '104201', 'a telephone';
    is numbers($mobile), '104201', 'as it is stored';
    is numbers(join ' ', (substr $national, 0, 8) =~ /(..)/g), '104201', 'the beginning, by twos'
        if row("select count(*) from portal.guardian where tenant = 1 and '" . substr($mobile, 0, 9)
            . "' in (left(phone_mobile, 9), left(phone_home, 9), left(phone_work, 9))") == 1;

    $portal->psql("update portal.account set email = 'Une.Autre\@parents.example'
        where email = '" . account(qr/couple/)->{email} . "'");
    is numbers('une.autre@'), '104201', 'the address of an account that is connected';
    $portal->psql("update portal.account set email = '" . account(qr/couple/)->{email} . "'
        where email = 'Une.Autre\@parents.example'");
    $portal->psql("update portal.guardian set birth_name = 'Duchâteau-Ferrand' where id in (select g.id
        from portal.guardian g join portal.family f on f.id = g.family_id where f.number = '104201' and rank = 1)");
    is numbers('duchateau f'), '104201', 'a name at birth';
}
{
    my ($hugo) = grep { $_->{first_name} eq 'Hugo' } map { @{ $_->{children} } } @{ found('Hugo')->json->{families} };
    ok $hugo, 'a child is said';
    is numbers('Hugo'), join(' ', sort map { $_->[0] } $portal->psql("select f.number from portal.family f
        join portal.child_family m on m.family_id = f.id where m.child_id = $child{hugo}")), 'with both households';
    is_deeply [sort keys %{ found('Hugo')->json->{families}[0] }], [qw(children guardians id label number)],
        'names, and nothing else';
}


### as a page

{
    my $page = $agent->get('/familles');
    is $page->status, 200, 'the form';
    like $page->title, qr/^Rechercher une famille/, 'says what it is for';
    like $page->content, qr{<a href="/familles" aria-current="page">}, 'and has its place in the menu';
    my $r = $agent->submit($page, { search => 'martin' }, form => '/familles');
    is $r->status, 200, 'searched';
    like $r->content, qr{<a href="\Q$file\E">104201 }, 'leads to the file';
    like $r->content, qr/value="martin"/, 'and has the words still';
    unlike $r->header('location') // '', qr/martin/i, 'which stand in no address';
    like $agent->submit($page, { search => 'Personnequin' }, form => '/familles')->text,
        qr/Aucune famille ne correspond/, 'nobody: is said';
    for (['', qr/Saisissez un nom, un numéro/], ['M', qr/Saisissez 2 lettres ou chiffres/], ['é!', qr/2 lettres ou chiffres/]) {
        $r = $agent->submit($page, { search => $_->[0] }, form => '/familles');
        is $r->status, 422, "« $_->[0] »: refused";
        like $r->text, $_->[1], 'beside the field';
    }
}


### no more than fifty

{
    forget();
    $portal->psql("insert into portal.family (tenant, number, label) select 1, 'Z' || n, 'Zola ' || lpad(n::text, 2, '0')
        from generate_series(1, 51) n");
    $portal->psql("insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link)
        select 1, id, 1, 'Zola', 'Émile ' || number, 'father' from portal.family where number like 'Z%'");
    my $r = found('zola')->json;
    is scalar @{ $r->{families} }, 50, 'fifty families';
    ok $r->{more}, 'and that there are others';
    like $agent->submit($agent->get('/familles'), { search => 'zola' }, form => '/familles')->text,
        qr/Plus de 50 familles/, 'in words';
    is scalar @{ found('zola emile z5')->json->{families} }, 3, 'fewer when it says more';
    $portal->psql("delete from portal.guardian where last_name = 'Zola'; delete from portal.family where number like 'Z%'");
}


### the file

{
    my $r = $reader->get($file);
    is $r->status, 200, 'a reader reads a file';
    my $doc = $r->json;
    is $doc->{family}{number}, '104201', 'that family\'s';
    my ($row) = @{ $doc->{guardians} };
    my $camille = $row->{guardian};
    is $row->{account}{email}, account(qr/couple/)->{email}, 'who is connected, and by which address';
    is $camille->{tax}, undef, 'tax is elsewhere';
    like $camille->{bank}{iban_last4}, qr/^\w{4}$/, 'the end of an IBAN';
    unlike $r->content, qr/\$sealed|seal_id|"iban"/, 'and no more of it';
    my ($nina) = grep { $_->{first_name} eq 'Nina' } map { $_->{child} } @{ $doc->{children} };
    is $nina->{health}, undef, 'health is elsewhere';
    ok scalar @{ $nina->{contacts} }, 'who may collect a child';
    ok scalar @{ $nina->{authorisations} }, 'and what is allowed';

    my $page = $agent->get($file);
    like $page->text, qr/Voir les données de santé/, 'a link to health';
    unlike $page->text, qr/Allergies/, 'and nothing of it';
    # (an account number asks for a code: t/step-up.t)
    is((grep { $_ =~ m{^/} && $agent->get($_ =~ s/#.*//r)->status != (m{/iban$} ? 303 : 200) }
        grep { m{^/(?:familles|demandes|interdictions)} } sort keys %{ $page->links })[0], undef, 'its links lead somewhere');
    like $page->title, qr/104201/, 'whose it is';
    is $desk->get('/familles/999999999')->status, 404, 'a family that is none';
    is $desk->get("$file$_")->status, 404, "nor $_" for '/enfants/999999999/sante',
        '/responsables/999999999/fiscales', '/enfants/999999999/photo.jpg';
    my $stranger = row("select c.id from portal.child c where c.tenant = 1 and not exists (select from
        portal.child_family m where m.child_id = c.id and m.family_id = $family{104201}) order by c.id limit 1");
    is $desk->get("$file/enfants/$stranger/sante")->status, 404, 'nor a child of another family in it';

    my ($hugo) = $portal->psql("select m.family_id, x.family_id from portal.child_family m
        join portal.child_family x on x.child_id = m.child_id and x.family_id > m.family_id where m.child_id = $child{hugo}");
    my ($of) = grep { $_->{child}{first_name} eq 'Hugo' } @{ $desk->get("/familles/$hugo->[0]")->json->{children} };
    is $of->{other_families}[0]{id}, $hugo->[1], 'the other household of a child';
}
{
    my ($family, $id) = @{ ($portal->psql("select m.family_id, h.child_id from portal.health h join portal.child_family m
        on m.child_id = h.child_id where h.tenant = 1 and h.allergies is not null order by h.child_id limit 1"))[0] };
    my $health = "/familles/$family/enfants/$id/sante";
    my $r = $reader->get($health);
    is $r->status, 200, 'T215 health, to who asks for it';
    ok length $r->json->{child}{health}{allergies}, 'T215 opened';
    is_deeply [read_as(1)], ['read_health ok child'], 'T215 one row of the audit, and no value';
    like $agent->get($health)->text, qr/Cette lecture est enregistrée à votre nom/, 'and the page says so';
    my $tax = "/familles/$family{104201}/responsables/" . row("select id from portal.guardian
        where family_id = $family{104201} and rank = 1") . '/fiscales';
    $r = $reader->get($tax);
    like $r->json->{guardian}{tax}{tax_number}, qr/^\d{13}$/, 'T215 and tax';
    is_deeply [read_as(1)], ['read_tax ok guardian'], 'T215 kept, too';
    is $agent->get($tax)->status, 200, 'as a page';
}
{
    $desk->get($file);
    is_deeply [read_as(1)], ['read_family ok family'], 'a file that was read is kept';
    found('Martin');
    is_deeply [read_as(1)], ['search_families ok '], 'a search too';
    is row("select count(*) from portal.audit a where a::text ilike '%martin%'"), 0, 'never for whom';
    is client(json => 1)->get($file)->status, 404, 'no page of families';
    is agent_client(json => 1, town => 'beaulieu')->get($file)->status, 404, 'nor another town\'s';
}


### what is declared for a child's safety, before anybody has decided it

{
    forget();
    my $parent = client();
    sign_in($parent, account(qr/couple/));
    my $base = "/famille/enfants/$child{nina}";
    my ($collects, $other) = @{ ($portal->psql("select min(id) filter (where collect), min(id) filter (where not collect)
        from portal.contact where family_id = $family{104201} and child_id = $child{nina}"))[0] };
    my $of = sub { my ($c, $name) = @_; my ($row) = grep { lc $_->{child}{first_name} eq $name } @{ $c->get($file)->json->{children} }; $row->{declared} };
    my $ask = sub { my ($path, %fields) = @_; my $r = $parent->submit($parent->get($path), \%fields, form => $path);
        $r->location =~ m{/famille/demandes/(\d+)} ? $1 : diag $r->text };
    is_deeply $of->($reader, 'nina'), [], 'nothing is';

    my $health = $ask->("$base/sante", allergies => 'Arachide et kiwi', doctor_name => 'Dr Abeille', step => 'send');
    my $leaves = $ask->("$base/contacts/$collects/retrait", comment => 'Ne vient plus.');
    $ask->("$base/contacts/$other/retrait", comment => 'A déménagé.');
    my $said = $of->($reader, 'nina');
    is_deeply [map { "$_->{id} $_->{what} " . ($_->{words} // '-') } @$said],
        ["$health child_health -", "$leaves remove_child_contact Ne vient plus."], 'a reader is told at once, of safety alone';
    is_deeply [map { $_->{has_items} + 0 } @$said], [0, 0], 'and of health no value';
    is_deeply $of->($reader, 'léo'), [], 'of no other child';
    my $page = $agent->get($file);
    like $page->text, qr/Nina Martin Sécurité de l’enfant : déclaré par la famille, non validé Données sanitaires · Nina Martin.*non validé Retirer un contact .* Ne vient plus\./s, 'at the head of the child';
    like $page->content, qr{<a class="number" href="/demandes/$leaves">[\d-]+</a> Retirer un contact [^<]* <span class="badge badge-no">S}s, 'and marked among the requests';
    unlike $page->text, qr/kiwi|Dr Abeille/, 'without its words';

    my $sheet = "$file/enfants/$child{nina}/sante";
    like $agent->get($sheet)->text, qr/non validé .*Avant\s:\sArachide et fruits à coque Demandé\s:\sArachide et kiwi Allergies Arachide et fruits à coque Conduite/s, 'health: what is declared stands above what the file holds';
    is_deeply [map { $_->{field} } map { @{ $_->{items} } } @{ $reader->get($sheet)->json->{declared} }], ['allergies'], 'nothing else of the request';
    is_deeply [read_as(1)], ['read_health ok child'], 'T215 kept as any reading of health';

    my $limited = new_agent(role => 'reader', name => 'Lise Limitée');
    $portal->psql("update portal.agent set sections = '{child_general}' where email = '$limited->{email}'");
    is_deeply $of->(scalar agent_client(json => 1, as => $limited), 'nina'), [], 'who is for other sections is not told';
    my ($first) = $portal->psql("select g.id, g.email from portal.guardian g where g.family_id = $family{104201} and g.rank = 1");
    $portal->psql("update portal.guardian set email = '" . agent()->{email} . "' where id = $first->[0]");
    is_deeply $of->($desk, 'nina'), [], 'T202 nor who reads their own family';
    $portal->psql("update portal.guardian set email = '$first->[1]' where id = $first->[0]");

    my $r = $agent->submit($agent->get("/demandes/$_"), { step => 'accept' }, form => "/demandes/$_")
        for $health, $leaves;
    is_deeply $of->($reader, 'nina'), [], 'once it is decided the file says it';
    forget();
}


### so many in an hour

{
    forget();
    $portal->psql('update portal.town set agent_readings = 3 where id = 1');
    is join(' ', map { found('Martin')->status } 1 .. 2), '200 200', 'T206 searches';
    is $desk->get($file)->status, 200, 'T206 and a file';
    is found('Martin')->status, 429, 'T206 are counted together';
    is $desk->get($file)->status, 429, 'T206 and wait';
    is $desk->get("$file/enfants/$child{nina}/sante")->status, 429, 'T206 health, too';
    is_deeply [read_as(2)], ['read_health too_many child', 'read_family too_many family'], 'which is kept';
    my $r = $agent->get($file);
    is $r->status, 429, 'a page';
    like $r->text, qr/très nombreux dossiers/, 'says why';
    is $reader->get($file)->status, 200, 'another agent reads on';
    $portal->psql('update portal.town set agent_readings = 300 where id = 1');
    forget();
}


### what the table of visibility says

{
    my $see = sub { $portal->psql("update portal.visibility set see = $_[1], ask = $_[1]
        where viewer = 'agent' and field_group = '$_[0]'") };
    my %is = (guardian_bank => sub { $_[0]{guardians}[0]{guardian}{bank} }, guardian_address => sub { $_[0]{guardians}[0]{guardian}{address} },
        guardian_tax => sub { $_[0]{guardians}[0]{tax_page} }, guardian_basic => sub { $_[0]{guardians}[0]{guardian}{phone_mobile} },
        child_health => sub { $_[0]{children}[0]{health_page} });
    for my $group (sort keys %is) {
        ok defined $is{$group}->($desk->get($file)->json), "$group: seen";
        $see->($group, 'false');
        is $is{$group}->($desk->get($file)->json), undef, "$group: not, when the table says so";
        if ($group =~ /tax|health/) {
            is $desk->get("$file/enfants/$child{nina}/sante")->status, $group =~ /health/ ? 404 : 200, "$group: its page";
        }
        is numbers('camille.martin@'), '', 'nor is it searched by' if $group eq 'guardian_basic';
        $see->($group, 'true');
    }
}

done_testing;
