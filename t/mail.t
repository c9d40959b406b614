#!/usr/bin/perl

# Mail over a real SMTP server: how it goes out, what is in it, and that what was
# not meant to be in a header does not get there.  Its bad days are in t/fault.

use strict;
use warnings;
use utf8;

use Encode ();

use Portal::Fault qw(log_lines);
use Portal::Mail;
use Portal::Outbox;
use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal();


### as it should be

{
    my $to = address();
    becomes(my $id = queue_mail($to), 'sent', 'a mail goes out', detail => qr/^smtp 250$/);
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
    is scalar(log_lines(qr/\Q$person->{email}\E|jeton=/)), 0, 'neither address nor link in the log';
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
        becomes(queue_mail($to, template => 'new_connection', data => Encode::encode('UTF-8',
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
        becomes(queue_mail(address()), 'failed', "T145 not sent by $name", detail => qr/^poisoned$/);
    }
    $portal->psql("update portal.town set mail_name = 'Saint-Aubin' where slug = 'saint-aubin';
        alter table portal.town add constraint $was->[0] check (mail_name !~ '[[:cntrl:]]')");
    is @{[ Portal::Mail->all($portal->mail_dir) ]}, $before, 'T145 nothing of it was sent';
}


{
    # a connection that was kept and that the server has closed is no failure
    my ($first, $second) = (address(), address());
    becomes(queue_mail($first), 'sent', 'a mail, and its connection is kept');
    $portal->stop_mail;
    $portal->start_mail;
    my $id = queue_mail($second);
    becomes($id, 'sent', 'the next one goes by a new connection');
    is row($id)->{attempts}, 1, 'at the first attempt';
}


### who it is sent through

{
    $portal->mail_fault('535');
    my ($id) = kept('no log-in', undef, qr/^auth$/, qr/it refuses the user or the password/);
    $portal->mail_fault(undef);
    due();
    becomes($id, 'sent', 'no log-in: sent once it is possible', seconds => 100);
}
my $password = slurp("$portal->{dir}/smtp_password");
is scalar(log_lines(qr/\Q$password\E/)), 0, 'no password in the log';

{
    my $to = address();
    mail_by(undef);
    my $id = queue_mail($to);
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
    becomes(queue_mail($to, template => 'new_connection', data => '{"name": "Zoé", "family_number": "12"}'),
        'sent', 'file: written', detail => qr/^file$/);
    my @mails = Portal::Mail->all($dir);
    is @mails, 1, 'file: one';
    is $mails[0]{headers}{to}, $to, 'file: its headers';
    like $mails[0]{text}, qr/Zoé vient/, 'file: its text';
    like $mails[0]{html}, qr/Zoé vient/, 'file: its page';
    is sprintf('%04o', (stat $mails[0]{file})[2] & 07777), '0644', 'file: to be read by who develops';
    is scalar(my @rest = glob "$dir/.*.tmp"), 0, 'file: nothing half written';

    rename $dir, "$dir.away" or die $!;
    my $id = queue_mail(address());
    becomes($id, 'queued', 'file: no directory, it waits', attempts => 1, detail => qr/^file$/);
    rename "$dir.away", $dir or die $!;
    becomes($id, 'sent', 'file: and is written then, within seconds', seconds => 20);
    is scalar(my @all = Portal::Mail->all($dir)), 2, 'file: both';
}

done_testing;
