#!/usr/bin/perl

# Documents of requests: sent with the form, kept, joined, read by who may, and
# never more of them than a family may have.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Pending;
use Portal::Test;

my $portal = portal();
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };

sub in {
    my ($name) = @_;

    my $c = client();
    sign_in($c, $people{$name});
    return $c;
}

my ($camille, $julien) = map { in($_) } qw(camille julien);
my $agent = agent_client();
my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201' order by g.rank");
our $page = "/famille/responsables/$me/adresse";
my $pdf = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nKanarienvogel\n%%EOF\n";

# the form as a browser sends it; file: [bytes, name, declared type]
sub send_form {
    my ($c, $form, $fields, $file, %o) = @_;

    my %fields = (@{ $form->form($page)->{fields} }, %$fields);
    delete $fields{document};
    my $csrf = delete $fields{csrf};
    my $body = join "\r\n", map({ ('--b', qq(Content-Disposition: form-data; name="$_->[0]"), '',
            Encode::encode('UTF-8', $_->[1])) }
            ['csrf', $csrf], map { [$_, $fields{$_}] } grep { defined $fields{$_} } sort keys %fields),
        '--b', 'Content-Disposition: form-data; name="document"; filename="'
            . ($file ? $file->[1] // 'scan.pdf' : '') . '"',
        'Content-Type: ' . ($file ? $file->[2] // 'application/pdf' : 'application/octet-stream'),
        '', $file ? $file->[0] : '', '--b--', '';
    return $c->post($page, $body, %o, headers => {
        'Content-Type' => 'multipart/form-data; boundary=b', %{ $o{headers} // {} } });
}

sub kept { scalar $portal->psql('select count(*) from portal.upload where set_id is null') }
sub number_of { ($_[0]->location // '') =~ m{^/famille/demandes/(\d+)} ? $1 : 'none' }


### the form

my $form = $camille->get($page);
like $form->content, qr/enctype="multipart\/form-data"/, 'the form takes files';
like $form->text, qr/Justificatif.*PDF, JPEG ou PNG, 10.Mo au plus/s, 'and says which';
unlike $camille->get("/famille/responsables/$me/base")->content, qr/name="document"/,
    'where none is asked for there is no field';


### T118, T132: what it is, its first bytes say

for my $wrong (['<html><script>alert(1)</script>', 'x.pdf', 'application/pdf'], ["PK\3\4", 'x.pdf'],
    ["RIFF\x24\0\0\0WEBPVP8 ", 'x.png', 'image/png'])
{
    my $r = send_form($camille, $camille->get($page), { street => 'rue Neuve', step => 'check' }, $wrong);
    is $r->status, 415, 'T118: ' . substr($wrong->[0], 0, 4) . " as $wrong->[1]";
    like $r->text, qr/Choisissez un PDF/, 'in words, beside the field';
    is { @{ $r->form($page)->{fields} } }->{street}, 'rue Neuve', 'the rest is there';
}
is kept(), 0, 'nothing is kept';
is send_form($camille, $camille->get($page), { step => 'check' }, ['%PDF-' . 'x' x 10_485_760])->status,
    413, 'one byte too many';


### kept while another field is refused, and over the check

my $r = send_form($camille, $camille->get($page), { street => '', step => 'check' },
    [$pdf, '../../facture"; filename="édf.pdf']);
is $r->status, 422, 'another field is refused';
like $r->text, qr/Justificatifs déjà envoyés\s*justificatif-1\.pdf – 1 ko \(PDF\)/, 'the document is kept';
unlike $r->text, qr/facture|édf/, 'by no name of its sender';
is kept(), 1, 'once';
unlike $julien->get($page =~ s/$me/$me/r)->text, qr/déjà envoyés/, 'the other guardian sees none of it';

my $png = "\x89PNG\r\n\x1a\n<script>alert(document.domain)</script>";
$r = send_form($camille, $r, { street => 'rue des Lilas', step => 'edit' }, [$png, 'a.png', 'image/png']);
is $r->status, 200, 'one more';
like $r->text, qr/justificatif-1\.pdf.*justificatif-2\.png – 1 ko \(PNG\)/s, 'two are kept';
unlike $r->content, qr/<input[^>]* name="drop"/, 'which is taken out the button says, and nothing else';
my ($handle) = $r->content =~ /name="drop" value="([0-9a-f-]{36})"/;
ok $handle, 'by a name of its own, not by its place';
my $stale = $r;
$r = send_form($camille, $r, { street => 'rue des Lilas', step => undef, drop => $handle });
is $r->status, 200, 'the first is taken out';
$r = send_form($camille, $stale, { street => 'rue des Lilas', step => undef, drop => $handle });
is $r->status, 200, 'pressed twice, or on a page of before';
like $r->text, qr/justificatif-1\.png/, 'the second is left';
unlike $r->text, qr/justificatif-2|\(PDF\)/, 'alone';
{
    my ($other) = map { $_->{id} } @{ as_json($camille)->get($page)->json->{kept} };
    my $his = $page =~ s/\b$me\b/scalar $portal->psql("select id from portal.guardian g where g.family_id =
        (select family_id from portal.guardian where id = $me) and g.rank = 2")/er;
    json_post(as_json($julien), $his, { drop => $_ }) for $other, '1', "x' or true", '';
    json_post(as_json($camille), "/famille/responsables/$me/fiscales", { drop => $other });
    is kept(), 1, 'nobody else takes it out, nor another form, nor a place or a word';
    is json_post(as_json($camille), $page, { drop => $other })->status, 200, 'JSON takes the id';
    is kept(), 0, 'of kept';
    $r = send_form($camille, $r, { street => 'rue des Lilas', step => 'edit' }, [$png, 'a.png', 'image/png']);
}
is { @{ $r->form($page)->{fields} } }->{street}, 'rue des Lilas', 'and what was typed';
$r = send_form($camille, $r, { street => 'rue des Lilas', step => 'check' }, [$pdf]);
like $r->text, qr/Justificatifs joints :\s*justificatif-1\.png.*justificatif-2\.pdf/s, 'the check shows both';
my $sent = $camille->submit($r, { step => 'send' }, form => $page);
is $sent->status, 303, 'sent';
my $id = number_of($sent);
is kept(), 0, 'they are the request’s';
is $portal->psql("select count(*) from portal.upload_piece where sealed ~ 'Kanarienvogel|PDF-1|JVBER'"), 0,
    'nothing plain in the database';


### read by who may

my $receipt = $camille->get("/famille/demandes/$id");
like $receipt->text, qr/Justificatifs\s*justificatif-1\.png.*justificatif-2\.pdf/s, 'the receipt names them';
my $got = $camille->get("/famille/demandes/$id/justificatif-2");
is $got->status . $got->content, "200$pdf", 'as it was sent';
is $got->header('content-type'), 'application/pdf', 'its type';
is $got->header('content-disposition'), 'attachment; filename="justificatif-2.pdf"', 'to be kept, not shown';
is $got->header('cache-control'), 'private, no-store', 'no cache keeps it';
is $got->header('x-content-type-options'), 'nosniff', 'T132: nosniff';
like $got->header('content-security-policy'), qr/sandbox/, 'T132: nothing in it runs';
is $camille->get("/famille/demandes/$id/justificatif-1")->header('content-type'), 'image/png',
    'T132: a picture with a script in it is a picture';
is $camille->get("/famille/demandes/$id/justificatif-3")->status, 404, 'there is no third';
is $camille->get("/famille/demandes/$id/justificatif-0")->status, 404, 'nor one before the first';
is $julien->get("/famille/demandes/$id/justificatif-1")->status, 404, 'T082: not the other guardian';
is client()->get("/famille/demandes/$id/justificatif-1")->status, 303, 'T082: not a visitor';
is in('sophie')->get("/famille/demandes/$id/justificatif-1")->status, 404, 'T082: not another family';
is agent_client(town => 'beaulieu')->get("/demandes/$id/justificatif-1")->status, 404,
    'T082: not another town’s agent';

like $agent->get("/demandes/$id")->text, qr/Justificatifs\s*justificatif-1\.png/, 'an agent finds them';
my $reads = sub { scalar $portal->psql("select count(*) from portal.audit where action = 'read_document'
    and object_id = $id and agent_id is not null") };
is $agent->get("/demandes/$id/justificatif-2")->content, $pdf, 'and reads one';
is $reads->(), 1, 'which the audit says';
is $agent->get("/demandes/$id/justificatif-9")->status, 404, 'one that is not there';
is $reads->(), 1, 'is not read';


# who reads a thousand is a program
$portal->psql("update portal.town set agent_readings = 2 where id = 1");
my $busy = agent_client(as => new_agent(role => 'reader'));
is $busy->get("/demandes/$id/justificatif-2")->status, 200, "document $_ is read" for 1, 2;
my $refused = $busy->get("/demandes/$id/justificatif-2");
is $refused->status, 429, 'T206 too many documents read';
ok $refused->header('retry-after'), 'when to come again';
unlike $refused->content, qr/Kanarienvogel/, 'and nothing of it';
$portal->psql("update portal.town set agent_readings = 300 where id = 1");


### an agent's own family

{
    my $ours = agent_client(as => new_agent(name => 'Julien Martin', email => $people{julien}{email}));
    $r = $ours->get("/demandes/$id/justificatif-2");
    is $r->status, 403, 'T202 its documents are not read';
    like $r->text, qr/Cela concerne votre propre famille/, 'in words';
    unlike $r->content, qr/Kanarienvogel/, 'nothing of it';
    is $portal->psql("select count(*) from portal.audit where action = 'read_document'
        and outcome = 'own_family' and object_id = $id"), 1, 'the audit has it';
}


### of several pieces

{
    my $large = $pdf . join '', map { chr(33 + $_ % 90) x 997 } 1 .. 700;
    my $more = send_form($camille, $camille->get($page), { step => 'check' }, [$large]);
    my $n = number_of($camille->submit($more, { step => 'send' }, form => $page));
    isnt $n, $id, 'another request takes the place of the first';
    is $portal->psql("select max(pieces) from portal.upload where set_id = $n"), 3, 'in three pieces';
    is $camille->get("/famille/demandes/$n/justificatif-1")->header('content-type'), 'image/png',
        'with the documents of the first';
    ok $camille->get("/famille/demandes/$n/justificatif-3")->content eq $large, 'whole again';
    is $reads->(), 5, 'the family’s own reading is not the audit’s';
    ok $agent->get("/demandes/$n/justificatif-3")->content eq $large, 'for an agent too';
    is $portal->psql("select count(*) from portal.audit where action = 'read_document' and object_id = $n"), 1,
        'one reading, however many pieces';
    is $camille->get("/famille/demandes/$id")->text =~ /Justificatifs/ ? 1 : 0, 0, 'the first has none any more';
    $id = $n;
}


### five, and no more

{
    my $f = $camille->get($page);
    for my $n (1 .. 3) {
        my $one = send_form($camille, $f, { step => 'edit' }, ["$pdf$n"]);
        is $one->status, $n < 3 ? 200 : 422, $n < 3 ? 'one more' : 'a sixth is refused';
        like $one->text, qr/Cinq justificatifs au plus/, 'in words' if $n == 3;
    }
    $portal->psql('delete from portal.upload where set_id is null');
}


### the same form again, when five are there: the same answer

{
    my ($his) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
        join portal.family f on f.id = g.family_id where f.number = '104201' order by g.rank desc");
    local $page = "/famille/responsables/$his/adresse";
    my $f = $julien->get($page);
    $f = send_form($julien, $f, { street => 'rue des Cinq', step => 'edit' }, ["$pdf$_"]) for 1 .. 4;
    my @sent = map { send_form($julien, $f, { street => 'rue des Cinq', step => 'send' }, ["${pdf}5"]) } 1 .. 3;
    is $sent[0]->status, 303, 'sent with the fifth';
    is $portal->psql('select count(*) from portal.upload where set_id = ' . number_of($sent[0])), 5, 'it has five';
    is $_->status . ' ' . number_of($_), '303 ' . number_of($sent[0]), 'sent again it is that one'
        for @sent[1, 2];
    is kept(), 0, 'with nothing beside it';
    my $other = send_form($julien, $f, { street => 'rue des Cinq', step => 'send' }, ["${pdf}6"]);
    is $other->status, 422, 'another document under its key is one too many';
    like $other->text, qr/Cinq justificatifs au plus/, 'in words';

    # nor does what is full by then matter
    { local $page = "/famille/responsables/$me/adresse";
      send_form($camille, $camille->get($page), { street => '', step => 'check' }, ["${pdf}8"]); }
    is kept(), 1, 'one waits';
    $portal->psql("update portal.town set uploads_waiting = 1 where id = 1");
    is number_of(send_form($julien, $f, { street => 'rue des Cinq', step => 'send' }, ["${pdf}5"])),
        number_of($sent[0]), 'nor does a full space matter';
    $portal->psql("update portal.town set uploads_waiting = 20 where id = 1");
    $portal->psql('delete from portal.upload where set_id is null');
}


### the same document twice is one

{
    my $f = $camille->get($page);
    my $again = send_form($camille, $f, { street => 'rue Y', step => 'check' }, [$pdf]);
    $again = send_form($camille, $again, { street => 'rue Y', step => 'check' }, [$pdf]);
    is kept(), 1, 'sent twice it is kept once';
    is send_form($camille, $again, { street => 'rue Y', step => 'check' }, ["$pdf "])->status, 200,
        'another one';
    is kept(), 2, 'is another';
    $portal->psql('delete from portal.upload where set_id is null');

    # a button pressed twice: whichever comes first, one request with one document
    for my $round (1 .. 8) {
        $f = $camille->get($page);
        my $large = $pdf . $round x ($round % 2 ? 10 : 600_000);
        my @r = Portal::Pending->pages(map { send_form($camille, $f,
            { street => "$round rue du Double", step => 'send' }, [$large], pending => 1) } 1, 2);
        is join(' ', map { $_->status } @r), '303 303', "pressed twice, $round";
        is number_of($r[0]), number_of($r[1]), 'one request';
        is $portal->psql("select count(*) from portal.upload where set_id = " . number_of($r[0])
            . " and size = " . length $large), 1, 'with the document once';
        is kept(), 0, 'and none beside it';
        $camille->submit($camille->get('/famille/demandes/' . number_of($r[0])), {},
            form => '/famille/demandes/' . number_of($r[0]));
        $portal->psql('delete from portal.upload');
    }
}


### T131: fifty at once, at the edge

{
    $portal->psql("update portal.town set uploads_waiting = 3 where id = 1");
    my $f = $camille->get($page);
    $portal->psql("delete from portal.upload where section = 'guardian_address'");
    my @answers = Portal::Pending->pages(map { send_form($camille, $f, { street => '', step => 'check' },
        ["$pdf$_"], pending => 1) } 1 .. 50);
    is scalar(grep { $_->status == 422 } @answers), 50, 'T131: fifty forms at once';
    is kept(), 3, 'T131: three files are kept';
    is $portal->psql('select count(*) from portal.upload_piece p
        where not exists (select from portal.upload u where u.id = p.upload_id)'), 0, 'and no piece beside them';
    $portal->psql("update portal.town set uploads_waiting = 20, upload_space = 1 where id = 1;
        delete from portal.upload where set_id is null");
    @answers = Portal::Pending->pages(map { send_form($camille, $f, { street => '', step => 'check' },
        [$pdf . 'x' x 300_000 . $_], pending => 1) } 1 .. 8);
    is kept(), 3, 'T131: nor more bytes than may be';
    is scalar(grep { $_->text =~ /beaucoup de fichiers/ } @answers), 5, 'in words';
    $portal->psql("update portal.town set upload_space = 50 where id = 1;
        delete from portal.upload where set_id is null");
}


### what the town says

$portal->psql("insert into portal.section_document values (1, 'guardian_address', 'required')");
$r = send_form($camille, $camille->get($page), { street => 'rue Haute', step => 'check' });
is $r->status, 422, 'where a document must be none is refused';
like $r->text, qr/Joignez un justificatif/, 'in words';
$r = send_form($camille, $r, { street => 'rue Haute', step => 'check' }, [$pdf]);
is $r->status, 200, 'with one it goes on';
$id = number_of($camille->submit($r, { step => 'send' }, form => $page));
$portal->psql("update portal.section_document set needed = 'no'");
unlike $camille->get($page)->content, qr/name="document"/, 'where none is wanted there is no field';
is send_form($camille, $camille->get($page), { street => 'rue Y', step => 'check' }, [$pdf])->status, 422,
    'nor is one taken';
is kept(), 0, 'or kept';

$portal->psql('update portal.town set keep_document = 0 where id = 1');
$portal->psql('select portal.purge()');
is $camille->get("/famille/demandes/$id/justificatif-1")->status, 200, 'while it is not decided it stays';
is $agent->submit($agent->get("/demandes/$id"), { step => 'accept' }, form => "/demandes/$id")->status, 303,
    'accepted';
$portal->psql('select portal.purge()');
is $camille->get("/famille/demandes/$id/justificatif-1")->status, 404, 'once it is, the document is erased';
$portal->psql('delete from portal.section_document');
$r = send_form($camille, $camille->get($page), { street => 'rue W', step => 'check' }, [$pdf]);
$id = number_of($camille->submit($r, { step => 'send' }, form => $page));
$portal->psql('select portal.purge()');
is $camille->get("/famille/demandes/$id/justificatif-1")->status, 200, 'that of another one stays';
$camille->submit($camille->get("/famille/demandes/$id"), {}, form => "/famille/demandes/$id");
$portal->psql('select portal.purge()');
is $camille->get("/famille/demandes/$id/justificatif-1")->status, 404, 'until it is taken back: no answer comes';
$portal->psql("update portal.town set keep_document = null where id = 1;
    delete from portal.section_document");

# who is asked for more can join one, whatever the section
{
    my $base = "/famille/responsables/$me/base";
    my $f = $camille->get($base);
    my $n = number_of($camille->submit($f, { profession => 'Menuisière', step => 'send' }, form => $base));
    unlike $camille->get($base)->content, qr/name="document"/, 'the section asks for none';
    is $agent->submit($agent->get("/demandes/$n"), { step => 'incomplete', reason => 'Un justificatif ?' },
        form => "/demandes/$n")->status, 303, 'the town asks for more';
    like $camille->get($base)->content, qr/name="document"/, 'now one can be joined';
    local $page = $base;
    my $open = $camille->get($base);
    my $done = send_form($camille, $open, { step => 'send' }, [$pdf]);
    is number_of($done), $n, 'the request is completed';
    is number_of(send_form($camille, $open, { step => 'send' }, [$pdf])), $n,
        'and so it is when the same comes again, though a document is not asked for any more';
    is $agent->get("/demandes/$n/justificatif-1")->content, $pdf, 'with it';
}

$r = send_form($camille, $camille->get($page), { street => 'rue Z', step => 'check' }, [$pdf]);
$id = number_of($camille->submit($r, { step => 'send' }, form => $page));
$camille->submit($camille->get("/famille/demandes/$id"), {}, form => "/famille/demandes/$id");
$portal->psql("update portal.change_set set updated_at = now() - interval '10 years' where id = $id;
    update portal.upload set created_at = now() - interval '10 years' where set_id = $id");
$portal->psql('select portal.purge()');
is $portal->psql("select count(*) from portal.upload where created_at < now() - interval '9 years'"), 0,
    'with its request it goes';


### of pieces, once another file has the address

{
    my %large = map { $_ => $pdf . $_ x 300_000 } qw(A B);
    my $f = send_form($camille, $camille->get($page), { street => 'rue AB', step => 'check' }, [$large{A}]);
    $f = send_form($camille, $f, { street => 'rue AB', step => 'check' }, [$large{B}]);
    my $n = number_of($camille->submit($f, { step => 'send' }, form => $page));
    my $path = "/famille/demandes/$n/justificatif-1";
    ok $camille->get($path)->content eq $large{A}, 'the first of two';

    # it is erased once its first piece has been read, so that the other is the first
    my $define = $portal->psql(q{select replace(pg_get_functiondef('portal.document_file(portal.change_set, jsonb)'::regprocedure), chr(10), ' ')});
    ok $define =~ s/(?=order by u\.created_at)/and (u.set_id <> $n or coalesce(input->>'piece', '0') = '0'
        or exists (select from portal.upload o where o.set_id = u.set_id
                     and (o.created_at, o.id) < (u.created_at, u.id))) /, 'the function';
    $portal->psql($define);
    expect_complaint(qr/another file has taken the place|answered 503/);
    my $r = $camille->get($path);
    is $r->status, 503, 'not the beginning of one and the end of the other';
    ok $r->header('retry-after'), 'asked again it is the other';
}

done_testing;
