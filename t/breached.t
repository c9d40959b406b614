#!/usr/bin/perl

# A password that a breach has brought to light is refused wherever one is
# chosen, beside its field, and nothing is done or counted; what nginx says of a
# list that is none, and what becomes of people when it cannot be read.

use strict;
use warnings;
use utf8;

use Digest::SHA qw(sha1_hex);
use Encode qw(decode encode);
use File::Temp ();

use Portal::Fault qw(log_lines);
use Portal::Place qw(slurp spew);
use Portal::Test;

my $dir = File::Temp->newdir;
my $list = "$dir/breached";
my $BAD = 'girafe lunaire 47 écluse';
my $GOOD = 'escargot violet 88 lampe';

sub line { return uc(sha1_hex(encode('UTF-8', $_[0]))) . ':' . (1 + length $_[0]) . "\r\n" }

# among others, and the first and the last of them too
my @lines = sort map { line($_) } $BAD, map { "un autre $_" } 1 .. 5000;
my ($first, $last) = grep { $_ ne line($BAD) } @lines[0, -1];
spew($list, join('', @lines), 0600);

my $portal = portal(directives => { portal_password_breached => $list });
my $nginx = $portal->nginx;

# 422, with the words beside that field, in the page's language
sub refused_ok {
    my ($r, $field, $what) = @_;

    my $html = decode('UTF-8', $r->content);
    my ($ids) = $html =~ /<input(?=[^>]*\bname="$field")[^>]*\baria-describedby="([^"]*)"/;
    my ($text) = map { $html =~ /id="\Q$_\E"[^>]*>(.*?)<\/p>/s } grep { /err/ } split ' ', $ids // '';

    is $r->status, 422, "$what: refused";
    like $text // "no text: $ids", qr/mots de passe volés sur d’autres sites.*nulle part ailleurs/s, "$what: and why, beside the field"
        or diag $r->text;
    unlike $html, qr/\Q$BAD\E/, "$what: it does not come back";
}


### where one is chosen

my $c = client();
my @rows = qw(account outbox token session attempt);
my $before = counted(@rows);
my ($person, $r) = sign_up($c, password => $BAD);
refused_ok($r, 'password', 'sign-up');
is counted(@rows), $before, 'sign-up: nothing was done';
($person) = sign_up($c, page => $r, email => $person->{email}, password => $GOOD);
ok mail_to($person->{email}), 'sign-up: with another one it is';

{
    my $english = client();
    $english->submit($english->get('/langue'), { lang => 'en' }, form => '/langue#');
    my ($someone, $page) = sign_up($english, password => $BAD);
    like $page->text, qr/stolen from other sites.*nowhere else/, 'sign-up: in English';
}

# the link of a sign-up, in another browser, with a new one
{
    my $other = client();
    my $page = $other->get(mail_to($person->{email})->{link});
    $r = $other->submit($page, { new_password => $BAD });
    refused_ok($r, 'new_password', 'confirmation');
    is $portal->psql("select state from portal.account where email = '$person->{email}'"), 'unconfirmed',
        'confirmation: nothing was done';
    is $other->submit($r, { new_password => 'tambour girouette 19 nacre' })->status, 303,
        'confirmation: with another one it is';
}

# a change: not even a wrong current one is looked at, so nothing is counted
{
    my $one = new_account();
    my $d = client();
    is sign_in($d, $one)->status, 303, 'change: logged in';
    my $counts = counted('attempt', 'session');
    for (1 .. 7) {
        $r = $d->submit($d->get('/mon-compte/mot-de-passe'),
            { current_password => $_ % 2 ? $one->{password} : 'un tout autre 36 mot', new_password => $BAD });
        is $r->status, 422, "change: refused, time $_";
    }
    refused_ok($r, 'new_password', 'change');
    is counted('attempt', 'session'), $counts, 'change: no guess was counted';
    $r = $d->submit($r, { current_password => $one->{password}, new_password => $GOOD });
    is $r->status, 303, 'change: with another one it is' or diag $r->text;
}

# a forgotten one, as a program
{
    my $one = new_account();
    my $d = client();
    $d->submit($d->get('/mot-de-passe/oubli'), { email => $one->{email} });
    my ($token) = letter($one->{email}, 'reset')->{link} =~ /jeton=(.*)/;
    my $j = client(json => 1);
    my $page = $j->get("/mot-de-passe/nouveau?jeton=$token")->json;
    my %body = (csrf => $page->{csrf}, token => $token);
    $r = $j->post('/mot-de-passe/nouveau', { %body, new_password => $BAD });
    is $r->status, 422, 'reset: refused';
    is_deeply [map { "$_->{field} $_->{code}" } @{ $r->json->{errors} }], ['new_password password_breached'],
        'reset: a program gets its code' or diag $r->content;
    is $j->post('/mot-de-passe/nouveau', { %body, new_password => $GOOD })->status, 200,
        'reset: the link is still good for another one';
}

# who has had it for long still gets in
{
    my $one = new_account();
    my $hash = tool(encode('UTF-8', "hash\t-\t$BAD"));
    $portal->psql("update portal.account set password_hash = '$hash' where id = $one->{id}");
    is sign_in(client(), { %$one, password => $BAD })->status, 303, 'a log-in is none of it';
}
is scalar(log_lines(qr/\Q@{[ encode('UTF-8', $BAD) ]}\E|@{[ sha1_hex(encode 'UTF-8', $BAD) ]}/i)), 0,
    'neither the password nor its digest in the log';


### the list is changed in place: people go on, an operator hears of it

my $broken = qr/the list of breached passwords cannot be read, a password is accepted without it/;
is scalar(log_lines($broken)), 0, 'nothing to complain of so far';
expect_complaint($broken);
truncate $list, 100 or die $!;
{
    my ($someone, $page) = sign_up(client(), password => $BAD);
    is $page->status, 303, 'cut short: accepted';
    is scalar(my @said = log_lines($broken)), 1, 'cut short: one line of the log';
    like $said[0], qr/\[error\].*request: "POST \/inscription/, 'cut short: of that request';
}

# a new file counts from the next reload on
rename $list, "$list.old" or die $!;
spew($list, join('', sort map { line($_) } 'un seul mot 55 volé', 'encore un'), 0600);
$portal->reload;
wait_for(30, sub { (sign_up(client(), password => 'un seul mot 55 volé'))[1]->status == 422 });
is +(sign_up(client(), password => 'un seul mot 55 volé'))[1]->status, 422, 'a new list, after a reload';
is +(sign_up(client(), password => $BAD))[1]->status, 303, 'and no more the old one';


### nginx -t

my $file = $nginx->dir . '/conf/nginx.conf';
my $conf = slurp($file);
my $where = 1 + (substr($conf, 0, index $conf, 'portal_password_breached') =~ tr/\n//);
expect_complaint(qr{\[emerg\].*write the path of a list of SHA-1 digests});

sub test_ok {
    my ($what, $text, $said) = @_;

    my $path = "$dir/other";
    spew($path, $text, 0600) if defined $text;
    spew($file, $conf =~ s{(portal_password_breached) [^;]*}{$1 $path}r, 0600);
    my ($good, $output) = $nginx->test_conf;
    spew($file, $conf, 0600);
    unlink $path;

    return ok($good, "nginx -t: $what") || diag $output if !$said;
    ok !$good && $output =~ m{"\Q$path\E" $said; write the path of a list of SHA-1 digests, "DIGEST:COUNT" on each line, .*nginx\.conf:$where$}m,
        "nginx -t: $what" or diag $output;
}

test_ok('no file', undef, 'cannot be opened');
test_ok('an empty one', '', 'is empty');
test_ok('by how often', join('', reverse @lines), 'is not sorted');
test_ok('not sorted somewhere', join('', @lines[0 .. 2500], @lines[0 .. 2499]), 'is not sorted');
test_ok('passwords as they are', "motdepasse\nazerty\n", 'has a line of another form');
test_ok('digests of another kind', join('', map { lc(substr $_, 0, 32) . "\n" } @lines), 'has a line of another form');
test_ok('LF and small letters', lc(join '', @lines) =~ s/\r//gr);
mkdir "$dir/other";
test_ok('a directory', undef, 'is not a file');

done_testing;
