#!/usr/bin/perl

# Mail over a real SMTP server that has bad days: nothing is lost, nothing is
# sent twice under two names, no worker waits, and what was not meant to be in
# a header does not get there.

use strict;
use warnings;
use utf8;

use Encode ();
use Time::HiRes qw(sleep);

use Portal::Mail;
use Portal::Place qw(slurp spew);
use Portal::Test;

my $portal = portal();
my $nginx = $portal->nginx;
my $attempts = $portal->dir . '/smtp/attempts';
my $n = 0;

# a mail put into the outbox as a function does it: its row's id
sub queue {
    my ($to, %o) = @_;

    my $data = $o{data} // '{}';
    my $template = $o{template} // 'account_exists';
    my $expires = $o{expires} // 'null';

    return scalar $portal->psql("insert into portal.outbox (tenant, recipient,
        template, data, expires, message_id) select id, '$to', '$template',
        '$data'::jsonb, $expires, gen_random_uuid() || '\@saint-aubin.example'
        from portal.town where slug = 'saint-aubin' returning id");
}

sub address { return sprintf 'mail.%d@exemple.fr', ++$n }

sub row {
    my ($id) = @_;

    my ($row) = $portal->psql("select state, attempts, coalesce(detail, ''),
        message_id, token_sealed is null, next_try > now()
        from portal.outbox where id = '$id'");
    my %row;
    @row{qw(state attempts detail message_id erased later)} = @$row;

    return \%row;
}

# so many seconds are a lot: what is waited for comes at once, or never
sub becomes {
    my ($id, $state, $what, %o) = @_;

    my $row;
    wait_for($o{seconds} // 40, sub {
        $row = row($id);
        $row->{state} eq $state && $row->{attempts} >= ($o{attempts} // 0)
            && (!defined $o{detail} || $row->{detail} =~ $o{detail});
    });

    return ok($row->{state} eq $state
        && (!defined $o{detail} || $row->{detail} =~ $o{detail}), $what)
        || diag join ' ', map { "$_=$row->{$_}" } sort keys %$row;
}

# the minute until the next try is over
sub due {
    $portal->psql("update portal.outbox set next_try = now() where state = 'queued'");
}

sub received { return grep { index($_->{to}, $_[0]) >= 0 } Portal::Mail->all($portal->mail_dir) }
sub complaints { my ($pattern) = @_; return grep { /$pattern/ } split /^/, slurp($nginx->error_log) }

# by another portal_mail, by none (undef), or as usual
sub mail_by {
    my @value = @_;

    local $portal->{directives} = { @value ? (portal_mail => @value) : () };
    spew($nginx->dir . '/conf/nginx.conf', $nginx->conf, 0600);
    my %old = map { $_ => 1 } $nginx->workers;
    $portal->reload;
    # those take no mail any more
    wait_for(30, sub { !grep { $old{$_}
        && (slurp("/proc/$_/cmdline") // '') !~ /shutting down/ } $nginx->workers })
        or die "old workers go on\n";
}


### as it should be

{
    my $to = address();
    becomes(my $id = queue($to), 'sent', 'a mail goes out', detail => qr/^smtp 250$/);
    my ($mail) = received($to);
    my $h = $mail->{headers};

    like $h->{'x-tls'}, qr/^TLSv1\.[23]$/, 'by TLS';
    is $h->{'x-auth'}, 'True', 'after a log-in';
    is $h->{'x-rcpt-to'}, $to, 'to whom it is for, alone';
    is $h->{to}, $to, 'as its header says';
    like $h->{from}, qr/ <\Q$h->{'x-mail-from'}\E>$/, 'from the town\'s address';
    is $h->{'message-id'}, '<' . row($id)->{message_id} . '>', 'under its row\'s Message-ID';
    like $h->{date}, qr/^\w{3}, \d\d \w{3} 20\d\d [\d:]{8} \+0000$/, 'with its date';
    is $h->{'auto-submitted'}, 'auto-generated', 'nobody answers it by a machine';
    like $h->{'content-type'}, qr{^multipart/alternative}, 'in two parts';
    is $mail->{subject}, 'Vous avez déjà un compte – Saint-Aubin-les-Prés', 'its subject';
    like $mail->{text}, qr/^Bonjour,\n.*Or un compte existe déjà avec elle\..*répondez pas/s, 'its text';
    like $mail->{html}, qr{^<!DOCTYPE html>.*<p>Bonjour,</p>.*Or un compte existe déjà avec elle\.}s, 'its page';
    unlike $mail->{text}, qr/&#?\w+;|\{\{/, 'no mark-up in the text';
    unlike $mail->{raw} =~ s/^X-.*\n//gmr, qr/[^\x00-\x7f]/, 'seven bits on the wire';
    ok !(grep { length > 998 } split /\r\n/, $mail->{raw}), 'no line is too long';
    is row($id)->{attempts}, 1, 'at the first attempt';
}
{
    # the link of a sign-up: sealed in the row, erased when it has gone
    my $c = client();
    my ($person) = sign_up($c);
    my ($mail) = mails(to => $person->{email});
    my $row = $portal->psql("select id from portal.outbox where recipient = '$person->{email}'");
    becomes($row, 'sent', 'a sign-up\'s mail');
    ok row($row)->{erased} eq 't', 'its link\'s token is erased';
    like $mail->{text}, qr{^http://localhost:\d+/inscription/confirmation\?jeton=[\w-]{43}$}m, 'the link in the text';
    like $mail->{html}, qr{<a href="\Q$mail->{link}\E">}, 'and in the page';
    is scalar(complaints(qr/\Q$person->{email}\E|jeton=/)), 0, 'neither address nor link in the log';
}

# names: of the town in the header, of a person in both parts
{
    my @names = ('Mairie de L\'Haÿ-les-Œufs « été »', 'Portail "Citoyen" \\ Famille', 'Ville, <a@b.example>; (x)',
        'École ' x 16, '=?utf-8?q?x?=', '学校 🎒');
    my ($was) = $portal->psql("select mail_name, name from portal.town where slug = 'saint-aubin'");
    for my $name (@names) {
        my $bytes = Encode::encode('UTF-8', $name =~ s/'/''/gr =~ s/ $//r);
        $portal->psql("update portal.town set mail_name = '$bytes', name = '$bytes' where slug = 'saint-aubin'");
        my $to = address();
        becomes(queue($to, template => 'new_connection', data => Encode::encode('UTF-8',
            '{"name": "Zoé O\'\'Brien <b>&", "family_number": "12"}')), 'sent', "sent by $name");
        my ($mail) = received($to);
        my ($want) = $name =~ s/ $//r;
        like $mail->{headers}{from}, qr/^(?:"(?:[^"\\]|\\.)*"|(?:=\?UTF-8\?Q\?[\w=]*\?= ?)+) <[^<>]+>$/, "$name: a phrase and an address";
        my ($phrase) = $mail->{from} =~ /^(.*) <[^<>]+>$/;
        $phrase =~ s/\\(.)/$1/g if $phrase =~ s/^"(.*)"$/$1/;
        is $phrase, $want, "$name: decoded";
        is $mail->{subject}, "Une personne s’est abonnée à votre dossier – $want", "$name: in the subject";
        like $mail->{text}, qr/^Zoé O'Brien <b>& vient/m, 'a person\'s name in the text';
        like $mail->{html}, qr/Zoé O(?:'|&#39;)Brien &lt;b&gt;&amp; vient/, 'and in the page';
    }
    $portal->psql("update portal.town set mail_name = '$was->[0]', name = '$was->[1]' where slug = 'saint-aubin'");
}

# T145: a header's text that is more than that
for my $sql ("update portal.town set mail_name = E'X\\r\\nBcc: v\@x.example'",
    "update portal.town set mail_from = E'a\@b.example\\r\\nBcc: v\@x.example'",
    "update portal.outbox set recipient = E'a\@b.example\\r\\nRCPT TO:<v\@x.example>'",
    "update portal.outbox set recipient = 'a\@b.example,v\@x.example'",
    "update portal.outbox set message_id = E'a\@b.example\\r\\nBcc: v\@x.example'")
{
    # any other error than that of a constraint, and none, is one here
    ok eval { $portal->psql("do \$do\$ begin $sql; raise 'it was accepted';
        exception when check_violation then null; end \$do\$"); 1 },
        "T145 the database refuses: $sql" or diag $@;
}
{
    # and were it there all the same, the composer would
    my $before = @{[ Portal::Mail->all($portal->mail_dir) ]};
    my ($was) = $portal->psql("select conname from pg_constraint where conrelid = 'portal.town'::regclass
        and pg_get_constraintdef(oid) like '%mail_name%'");
    $portal->psql("alter table portal.town drop constraint $was->[0]");
    for my $name ("E'X\\r\\nBcc: v\@x.example'", "E'X\\nBcc: v\@x.example'", "E'X\\rY'", "U&'X\\2028Y'", "E'X\\u0085Y'") {
        $portal->psql("update portal.town set mail_name = $name where slug = 'saint-aubin'");
        becomes(queue(address()), 'failed', "T145 not sent by $name", detail => qr/^poisoned$/);
    }
    $portal->psql("update portal.town set mail_name = 'Saint-Aubin' where slug = 'saint-aubin';
        alter table portal.town add constraint $was->[0] check (mail_name !~ '[[:cntrl:]]')");
    is @{[ Portal::Mail->all($portal->mail_dir) ]}, $before, 'T145 nothing of it was sent';
}


### answers

{
    my $to = address();
    $portal->mail_fault('451 1');
    my $id = queue($to);
    becomes($id, 'queued', '451: put off', attempts => 1, detail => qr/^smtp 451$/);
    is row($id)->{later}, 't', '451: to a later time';
    is scalar(received($to)), 0, '451: not received';
    due();
    becomes($id, 'sent', '451: then sent', attempts => 2);
    is scalar(received($to)), 1, '451: once';
}
for my $code (550, 554) {
    my ($bad, @good) = map { address() } 1 .. 4;
    $portal->mail_fault("$code $bad");
    my %ids = map { $_ => queue($_) } $good[0], $bad, @good[1, 2];
    becomes($ids{$bad}, 'failed', "$code: given up", detail => qr/^smtp $code$/);
    is row($ids{$bad})->{attempts}, 1, "$code: and not asked again";
    becomes($ids{$_}, 'sent', "$code: another goes") for @good;
    is scalar(received($bad)), 0, "$code: not received";
    $portal->mail_fault(undef);
}

# the connection ends within a mail: the same mail again, under the same name
{
    my $to = address();
    $portal->mail_fault('cut 1');
    my $id = queue($to);
    becomes($id, 'queued', 'cut in DATA: put off', attempts => 1, detail => qr/^cut$/);
    due();
    becomes($id, 'sent', 'cut in DATA: then sent', attempts => 2);
    is scalar(received($to)), 1, 'cut in DATA: once';
    my $name = row($id)->{message_id};
    is scalar(grep { $_ eq "<$name>\n" } split /^/, slurp($attempts)), 2, 'cut in DATA: one Message-ID';

    $to = address();
    $portal->mail_fault('cutafter 1');
    $id = queue($to);
    becomes($id, 'queued', 'cut before the answer: nobody knows', attempts => 1, detail => qr/^cut$/);
    due();
    becomes($id, 'sent', 'cut before the answer: sent again', attempts => 2);
    my @got = received($to);
    is @got, 2, 'cut before the answer: came twice';
    is $got[0]{id}, $got[1]{id}, 'cut before the answer: under one Message-ID, to be told apart by';
}


### a server that is slow, hangs, or is away

# pages of both workers, while the mail is still on its way
sub pages_go_on {
    my ($id, $what) = @_;

    my @pages = map { client()->get($_) } ('/', '/connexion', '/aide') x 10;
    my $state = row($id)->{state};

    is scalar(grep { $_->status != 200 } @pages), 0, "$what: pages are served";
    is $state, 'sending', "$what: while the mail waits";
}

{
    my $to = address();
    $portal->mail_fault('slow 6');
    my $id = queue($to);
    wait_for(20, sub { row($id)->{state} eq 'sending' });
    pages_go_on($id, 'a slow server');
    becomes($id, 'sent', 'a slow server: sent');
    is scalar(received($to)), 1, 'a slow server: once';
    $portal->mail_fault(undef);
}
{
    my $to = address();
    kill 'STOP', $portal->smtp_pid;
    my $id = queue($to);
    wait_for(20, sub { row($id)->{state} eq 'sending' });
    my ($person, $page) = sign_up(client());
    is $page->status, 303, 'a server that hangs: one may sign up';
    pages_go_on($id, 'a server that hangs');
    kill 'CONT', $portal->smtp_pid;
    becomes($id, 'sent', 'a server that hangs: sent when it goes on');
    is scalar(received($to)), 1, 'a server that hangs: once';
    ok mail_to($person->{email}), 'and the sign-up\'s mail';
}
{
    # away: said once, and what waits goes out by itself
    $portal->stop_mail;
    my @to = map { address() } 1 .. 3;
    my $late = address();
    my @ids = map { queue($_) } @to;
    my $old = queue($late, expires => "now() + interval '1 hour'");
    for my $id (@ids) {
        becomes($id, 'queued', 'away: it waits', attempts => 1, detail => qr/^(?:connect|held back)$/);
    }
    my $down = qr/no mail goes out by "smtp:\S+": nothing answers there; mails wait/;
    due();
    wait_for(40, sub { (sort { $a <=> $b } map { row($_)->{attempts} } @ids)[-1] >= 2 });
    is scalar(complaints($down)), 1, 'away: said once';
    is scalar(complaints(qr/\[error\].*(?:held back|\(connect\))/)), 0, 'away: not with each mail';

    # while it was away a link has died
    $portal->psql("update portal.outbox set expires = now() where id = '$old'");
    becomes($old, 'expired', 'away: a mail older than its link is given up', seconds => 100);
    ok row($old)->{erased} eq 't', 'away: and its token erased';

    $portal->start_mail;
    due();
    becomes($_, 'sent', 'back: it is sent by itself', seconds => 100) for @ids;
    is scalar(received($_)), 1, 'back: once' for @to;
    is scalar(received($late)), 0, 'back: but not what is too old';
    my $list = join ', ', map { "'$_'" } @ids;
    cmp_ok scalar $portal->psql("select extract(epoch from max(done_at) - min(done_at))
        from portal.outbox where id in ($list)"), '<', 4,
        'back: the others do not wait for the pause between two tries';
    is scalar(complaints(qr/mail goes out by "smtp:\S+" again/)), 1, 'back: said once';
}
{
    # a connection that was kept and that the server has closed is no failure
    my ($first, $second) = (address(), address());
    becomes(queue($first), 'sent', 'a mail, and its connection is kept');
    $portal->stop_mail;
    $portal->start_mail;
    my $id = queue($second);
    becomes($id, 'sent', 'the next one goes by a new connection');
    is row($id)->{attempts}, 1, 'at the first attempt';
}


### who it is sent through

my $url = "smtp://localhost:$portal->{smtp_port}";
my $user = "user=portail password_file=$portal->{dir}/smtp_password";
my $ca = 'ca=' . $portal->mail_ca;

# the mail stays, nothing comes to the server, one line says why
sub kept {
    my ($what, $value, $detail, $why) = @_;

    my $to = address();
    my $before = slurp($attempts);
    my $lines = complaints($why);
    mail_by($value // ());
    my $id = queue($to);
    becomes($id, 'queued', "$what: it waits", attempts => 1, detail => $detail);
    is slurp($attempts), $before, "$what: nothing was sent";
    is complaints($why) - $lines, 1, "$what: said once";
    due();
    becomes($id, 'queued', "$what: tried again", attempts => 2, detail => $detail);
    is complaints($why) - $lines, 1, "$what: still once";

    return ($id, $to);
}

{
    my $other = $portal->dir . '/other';
    mkdir $other;
    $portal->_certificate($other);
    my ($id, $to) = kept('another\'s certificate', "$url $user ca=$other/ca.pem", qr/^tls$/,
        qr/no mail goes out by "\Q$url\E": it offers no TLS, or its certificate is not one of "ca="/);
    mail_by();
    due();
    becomes($id, 'sent', 'another\'s certificate: sent once it is the right one');
    is scalar(received($to)), 1, 'once';
}
{
    # the right authority, but not that name
    my $there = '/etc/hosts';
    my ($name) = grep { $_ ne 'localhost' } map { /^127\.0\.0\.1\s+(.*)/ ? split ' ', $1 : () } split /\n/, slurp($there) // '';
    SKIP: {
        skip 'no other name of 127.0.0.1', 8 if !$name;
        my ($id) = kept('another name', "smtp://$name:$portal->{smtp_port} $user $ca", qr/^tls$/, qr/certificate is not one/);
        mail_by();
        due();
        becomes($id, 'sent', 'another name: sent under its own');
    }
}
{
    $portal->mail_fault('plain');
    my ($id, $to) = kept('no STARTTLS', undef, qr/^tls$/, qr/it offers no TLS/);
    $portal->mail_fault(undef);
    due();
    becomes($id, 'sent', 'no STARTTLS: sent once it is there', seconds => 100);
    is((received($to))[0]{headers}{'x-tls'} =~ /^TLS/, 1, 'by TLS');
}
{
    $portal->mail_fault('535');
    my ($id) = kept('no log-in', undef, qr/^auth$/, qr/it refuses the user or the password/);
    $portal->mail_fault(undef);
    due();
    becomes($id, 'sent', 'no log-in: sent once it is possible', seconds => 100);
}
my $password = slurp("$portal->{dir}/smtp_password");
is scalar(complaints(qr/\Q$password\E/)), 0, 'no password in the log';

{
    my $to = address();
    mail_by(undef);
    my $id = queue($to);
    my ($person, $page) = sign_up(client());
    is $page->status, 303, 'without portal_mail: one may sign up';
    is row($id)->{attempts}, 0, 'without portal_mail: it stays';
    mail_by();
    becomes($id, 'sent', 'without portal_mail: until there is one');
    ok mail_to($person->{email}), 'without portal_mail: the sign-up\'s, too';
}


### files, for development

{
    my $dir = $portal->dir . '/files';
    Portal::Place::make_dir($dir, 0755, 'nginx');
    mail_by("file:$dir");
    my $to = address();
    becomes(queue($to, template => 'new_connection', data => '{"name": "Zoé", "family_number": "12"}'),
        'sent', 'file: written', detail => qr/^file$/);
    my @mails = Portal::Mail->all($dir);
    is @mails, 1, 'file: one';
    is $mails[0]{headers}{to}, $to, 'file: its headers';
    like $mails[0]{text}, qr/Zoé vient/, 'file: its text';
    like $mails[0]{html}, qr/Zoé vient/, 'file: its page';
    is sprintf('%04o', (stat $mails[0]{file})[2] & 07777), '0644', 'file: to be read by who develops';
    is scalar(my @rest = glob "$dir/.*.tmp"), 0, 'file: nothing half written';

    rename $dir, "$dir.away" or die $!;
    my $id = queue(address());
    becomes($id, 'queued', 'file: no directory, it waits', attempts => 1, detail => qr/^file$/);
    rename "$dir.away", $dir or die $!;
    due();
    becomes($id, 'sent', 'file: and is written then', seconds => 100);
    is scalar(my @all = Portal::Mail->all($dir)), 2, 'file: both';
}

done_testing;
