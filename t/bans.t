#!/usr/bin/perl

# Who must not collect a child: reported with a copy of the decision, recorded,
# read and ended by agents alone, and nowhere for any family.

use strict;
use warnings;
use utf8;

use Encode ();
use Portal::Fault qw(as_json);
use Portal::Pending;
use Portal::Test;

my $portal = portal(jobs => 'purge=300ms');
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my $PDF = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nJugement\n%%EOF\n";
my $SECRET = 'Jean Valjean, son oncle : jugement du 3 mars';

sub in { my $c = client(); sign_in($c, $people{ $_[0] }); return ($c, as_json($c)) }
sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub bytes { return Encode::encode('UTF-8', $_[0]) }

my ($camille, $cj) = in('camille');
my ($julien, $jj) = in('julien');
my ($sophie, $sj) = in('sophie');
my %child = map { @$_ } $portal->psql("select lower(first_name), id from portal.child
    where tenant = 1 and first_name in ('Nina', 'Hugo')");
my $page = "/famille/enfants/$child{nina}";
my $report = "$page/contacts/interdiction";
my $agent = agent_client();
my $desk = as_json($agent);

# the form of a report as a browser sends it
sub send_form {
    my ($c, $form, $fields, $bytes, $path) = @_;

    $path //= $report;
    my %fields = (@{ $form->form($path)->{fields} }, %$fields);
    delete $fields{document};
    my $body = join "\r\n", map({ ('--b', qq(Content-Disposition: form-data; name="$_"), '',
            bytes($fields{$_})) } 'csrf', grep { $_ ne 'csrf' && defined $fields{$_} } sort keys %fields),
        '--b', 'Content-Disposition: form-data; name="document"; filename="'
            . (defined $bytes ? 'scan.pdf' : '') . '"', 'Content-Type: application/octet-stream', '',
        $bytes // '', '--b--', '';
    return $c->post($path, $body, headers => { 'Content-Type' => 'multipart/form-data; boundary=b' });
}

sub request_of {
    my ($r, $what) = @_;

    my ($id) = ($r->location // '') =~ m{^/famille/demandes/(\d+)};
    ($id) = $r->json->{location} =~ /(\d+)/ if !$id && ($r->header('content-type') // '') =~ /json/;
    ok $id, "$what: sent" or diag $r->status, $r->content;
    return $id;
}

sub decide {
    my ($id, $step, %more) = @_;

    my $version = $desk->get("/demandes/$id")->json->{version};
    return json_post($desk, "/demandes/$id", { step => $step, version => $version, %more });
}


### a report has documents, as other requests have

my $r = $camille->get($report);
like $r->content, qr/enctype="multipart\/form-data"/, 'the form takes files';
like $r->text, qr/Copie de la décision.*PDF, JPEG ou PNG/s, 'and says which';
is send_form($camille, $r, { comment => $SECRET, step => 'send' }, '<html>')->status, 415,
    'T118 by its first bytes';
is row('select count(*) from portal.upload'), 0, 'nothing is kept of that';
$r = send_form($camille, $r, { comment => '', step => 'send' }, $PDF);
is $r->status, 422, 'words are compulsory';
like $r->text, qr/justificatif-1\.pdf/, 'the file is kept';
is row("select section || ' ' || (set_id is null) from portal.upload"), 'report_child_contact true',
    'for the report alone';

# what else is sent about the child meanwhile takes none of it along
my $contact = row("select min(id) from portal.contact where child_id = $child{nina}");
my $other = request_of(json_post($cj, "$page/contacts/$contact/modifier", { emergency => 'yes',
    phone_mobile => '06 39 98 01 02' }), 'a contact');
is row("select count(*) from portal.upload where set_id is not null"), 0, 'another request leaves it';

my $id = request_of(send_form($camille, $r, { comment => $SECRET, step => 'send' }), 'the report');
is_deeply [map { $_->{name} } @{ $cj->get("/famille/demandes/$id")->json->{request}{documents} }],
    ['justificatif-1.pdf'], 'with its document';
is $cj->get("/famille/demandes/$id/justificatif-1")->content, $PDF, 'which its sender reads';
is $_->get("/famille/demandes/$id/justificatif-1")->status, 404, 'and no other guardian'
    for $jj, $sj;

# the limits of every file hold
$portal->psql('update portal.town set upload_space = 1');
is codes(send_file($cj, $report, { comment => $SECRET }, document => $PDF . 'x' x 1_100_000)),
    'document:upload_space', 'no more than a family may have';
$portal->psql("update portal.town set upload_space = 50; insert into portal.section_document
    values (1, 'report_child_contact', 'required')");
is codes(json_post($jj, $report, { comment => 'Sans papier' })), 'document:required',
    'a town may ask for one';
$portal->psql("update portal.section_document set needed = 'no'");
is codes(send_file($jj, $report, { comment => 'Avec' }, document => $PDF)), 'document:unknown_field',
    'or for none';
$portal->psql('delete from portal.section_document');


### recorded, it is on the agents' page

like $agent->get('/interdictions')->text, qr/Aucune interdiction n’est en cours/, 'none yet';
is decide($id, 'accept')->status, 200, 'recorded';
ok $agent->get('/')->links->{'/interdictions'}, 'the menu leads to the page';
my $ban = row('select max(id) from portal.collect_ban');
$r = $agent->get('/interdictions');
like $r->title, qr/^Interdictions de venir chercher/, 'the page';
like $r->text, qr/Nina \S+ · Interdiction $ban Jean Valjean, son oncle : jugement du 3 mars \d+ \S+ \d{4}\D+\d+\D+\d+ · Jeanne \S+/,
    'whom, who, since when, by whom';
ok $r->links->{"/demandes/$id/justificatif-1"}, 'the document';
is $agent->get("/demandes/$id/justificatif-1")->content, $PDF, 'which agents read';
ok $agent->get("/demandes/$id")->links->{"/interdictions/$ban"}, 'the request leads there';
my $doc = $desk->get('/interdictions')->json;
is_deeply [map { [@$_{qw(id words holds ended_at recorded_by)}, $_->{request}{id},
        $_->{documents}[0]{path}] } @{ $doc->{bans} }],
    [[$ban, $SECRET, JSON::PP::true, undef, $doc->{bans}[0]{recorded_by}, $id, "/demandes/$id/justificatif-1"]],
    'JSON: the same';
like $doc->{bans}[0]{recorded_by}, qr/^Jeanne/, 'JSON: by whom';
is_deeply $desk->get('/interdictions?etat=ended')->json->{bans}, [], 'none has ended';
is row("select count(*) from portal.audit where action = 'read_bans' and agent_id is not null"), 4,
    'each reading is in the audit';

# whoever decides about the child's contacts sees it
like $agent->get("/demandes/$other")->text,
    qr/Une interdiction de venir chercher est en cours pour cet enfant : Jean Valjean/, 'where it matters';

# no family's page has it, but the request of who reported it
for ([$camille, $cj, 1], [$julien, $jj], [$sophie, $sj]) {
    my ($h, $j, $own) = @$_;
    my (%seen, @left);
    @left = ('/famille', '/mon-espace', '/mes-donnees', '/mes-donnees.csv', '/famille/demandes');
    while (my $path = shift @left) {
        next if $seen{$path}++;
        my ($html, $json) = map { $_->get($path) } $h, $j;
        unlike $_->content, qr/Valjean|collect_ban|interdictions/, "nothing of it in $path"
            for $own && $path =~ /demandes|donnees/ ? () : ($html, $json);
        push @left, grep { m{^/famille/(?:enfants|responsables|demandes)} } keys %{ $html->links }
            if $html->status == 200;
    }
    cmp_ok scalar(keys %seen), '>', 20, 'pages were read';
}
is client(json => 1)->get($_)->status, 404, "$_ is no page of families" for '/interdictions', "/interdictions/$ban";


### who reads them all is a program

{
    $portal->psql('update portal.town set agent_readings = 2 where id = 1');
    my $busy = agent_client(as => new_agent(role => 'reader'));
    is $busy->get('/interdictions')->status, 200, 'the list is read';
    is $busy->get("/interdictions/$ban")->status, 200, 'and one of them';
    for my $path ('/interdictions', "/interdictions/$ban") {
        $r = $busy->get($path);
        is $r->status, 429, "T206 too many bans read: $path";
        like $r->text, qr/très nombreux dossiers en une heure/, 'in words';
        unlike $r->content, qr/Valjean/, 'and nothing of it';
    }
    is row("select string_agg(action, ' ' order by id) from portal.audit
        where action like 'read_ban%' and outcome = 'too_many'"), 'read_bans read_ban', 'T206 in the audit, too';
    $portal->psql('update portal.town set agent_readings = 300 where id = 1');
}


### ended, with a reason

my $rémi = new_agent(role => 'reader', name => 'Rémi Lecteur');
my $reader = agent_client(json => 1, as => $rémi);
my $path = "/interdictions/$ban";
is $reader->get($path)->json->{ends}, JSON::PP::false, 'a reader reads';
is json_post($reader, $path, { reason => 'Non' })->status, 403, 'and ends nothing';
unlike agent_client(as => $rémi)->get($path)->content, qr/name="reason"/, 'nor is there a form';

my $version = $desk->get($path)->json->{version};
is $desk->get($path)->header('etag'), "\"$version\"", 'it has a version';
is json_post($desk, $path, { reason => '', version => $version })->status, 422, 'a reason is compulsory';
is json_post($desk, $path, { reason => 'Non' })->status, 428, 'and a version';
is codes(json_post($desk, $path, { reason => 'Non', version => 'x' })), ':request_changed', 'of now';
is row("select version from portal.collect_ban where id = $ban and ended_at is null"), 1, 'nothing is done';
$r = $agent->get($path);
like $r->text, qr/Lever cette interdiction/, 'the form';
is $agent->submit($r, { reason => ' ' })->status, 422, 'HTML: a reason is compulsory';

my $open = $agent->get($path);
$r = $agent->submit($open, { reason => 'Nouvelle décision du 12 mai.' });
is $r->location, "$path?avis=ban_ended", 'ended' or diag $r->text;
is $agent->submit($open, { reason => 'Nouvelle décision du 12 mai.' })->location, $r->location,
    'sent again it is the same';
$r = $agent->get($r->location);
like $r->text, qr/L’interdiction est levée\..*Levée.*Nouvelle décision du 12 mai\./s, 'and says so';
unlike $r->content, qr/name="reason"/, 'there is no more to end';
is codes(json_post($desk, $path, { reason => 'Encore', version => $desk->get($path)->json->{version} })),
    ':ban_ended', 'nobody ends it twice';
is row("select (ended_by is not null) || ' ' || version || ' ' || end_reason from portal.collect_ban
    where id = $ban"), bytes('true 2 Nouvelle décision du 12 mai.'), 'by whom, and why';
is row("select count(*) || ' ' || count(agent_id) from portal.audit where action = 'end_ban'
    and outcome = 'ok' and object = 'collect_ban' and object_id = $ban"), '1 1', 'the audit has it once';
is_deeply $desk->get('/interdictions')->json->{bans}, [], 'it holds no more';
is $desk->get('/interdictions?etat=ended')->json->{bans}[0]{end_reason}, 'Nouvelle décision du 12 mai.',
    'and stays known';
unlike $agent->get("/demandes/$other")->text, qr/Une interdiction de venir chercher/, 'nor is it where it mattered';
like $agent->get('/interdictions?etat=ended')->text, qr/Interdictions levées.*Nina.*Levée le/s, 'HTML: as well';


### two agents at once, and an agent's own family

{
    my $two = request_of(json_post($sj, "/famille/enfants/$child{hugo}/contacts/interdiction",
        { comment => 'Javert' }), 'another');
    is decide($two, 'accept')->status, 200, 'recorded';
    $ban = row('select max(id) from portal.collect_ban');

    # Hugo has two households: Thomas' is the other one's
    my $relative = new_agent(role => 'validator', name => 'Thomas Moreau');
    $portal->psql("update portal.guardian set email = '$relative->{email}' where tenant = 1 and first_name = 'Thomas'");
    my $own = as_json(scalar agent_client(as => $relative));
    is codes(json_post($own, "/interdictions/$ban", { reason => 'Moi', version =>
        $desk->get("/interdictions/$ban")->json->{version} }, page => '/')), ':own_family', 'nobody ends it for themselves';
    is scalar(grep { $_->{id} == $ban } @{ $desk->get('/interdictions')->json->{bans} }), 1, 'it is in the list';
    is scalar(grep { $_->{id} == $ban } @{ $own->get('/interdictions')->json->{bans} }), 0,
        'but not in theirs';
    for my $path ("/interdictions/$ban", "/demandes/$two") {
        is $own->get($path)->status, 403, "$path: nor read by them";
        is $own->get($path)->json->{code}, 'own_family', 'which says why';
    }
    is row("select count(*) from portal.audit where action = 'read_ban' and outcome = 'own_family'"), 2,
        'the audit has each';

    # nor on the way to the town's software, which shows others what was reported
    my ($change, $family) = map { @$_ } $portal->psql("select id, family_id from portal.change where set_id = $two");
    my $shown = sub { my ($c, $path) = @_; return $c->get($path)->content =~ /Javert/ ? 'shown' : 'hidden' };
    for my $path ('/recopie', "/recopie?famille=$family") {
        is $shown->($desk, $path), 'shown', "$path shows it";
        is $shown->($own, $path), 'hidden', 'T202 but not to them';
    }
    is json_post($own, '/recopie', { change => $change + 0 }, page => '/session')->status, 404, 'T202 they tick nothing';
    json_post($own, '/recopie', { family => $family + 0, upto => $change + 0 }, page => '/session');
    is row("select state from portal.change where id = $change"), 'open', 'T202 of what they were not shown';
    $portal->psql("update portal.change set state = 'rejected', settled_at = now(), settled_kind = 'machine', settled_by = 1,
        answered = 'rejected', reason = 'Non.' where id = $change");
    is $shown->($desk, '/refus'), 'shown', '/refus shows it';
    is $shown->($own, '/refus'), 'hidden', 'T202 but not to them';
    is json_post($own, '/refus', { change => $change + 0, act => 'resend' }, page => '/session')->status, 404, 'T202 nor do they send it again';

    my @agents = map { scalar agent_client(json => 1, role => $_) } qw(validator administrator);
    my @got = Portal::Pending->pages(map {
        my $page = $_->get("/interdictions/$ban")->json;
        $_->post("/interdictions/$ban", { csrf => $page->{csrf}, reason => 'Levée',
            version => $page->{version} }, pending => 1);
    } @agents);
    is join(' ', sort map { $_->status } @got), '200 409', 'one of two ends it';
    is row("select version from portal.collect_ban where id = $ban"), 2, 'once';

    my $away = agent_client(json => 1, as => agent('validator', 'beaulieu'));
    is $away->get("/interdictions/$ban")->status, 404, 'another town has none of it';
    is_deeply $away->get('/interdictions?etat=ended')->json->{bans}, [], 'nor in its list';
}


### what has ended long ago is erased

$portal->psql("update portal.collect_ban set recorded_at = now() - interval '4 years',
    ended_at = now() - interval '3 years' where id = $ban");
ok wait_for(30, sub { !row("select count(*) from portal.collect_ban where id = $ban") }),
    'after the time that requests are kept';
is row('select count(*) from portal.collect_ban'), 1, 'the other one stays';

done_testing;
